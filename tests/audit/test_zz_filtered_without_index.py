from test_filtered_without_index import *
from zz_server import server, database
