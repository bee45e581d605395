-- expect: refused: syntax error
CREATE TABLE ${schema}.things (id INT);
