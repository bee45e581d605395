from test_statement_facts import *
from zz_server import server, database
