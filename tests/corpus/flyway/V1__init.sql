-- expect: round-trip
CREATE TABLE person (
  id   INT NOT NULL PRIMARY KEY,
  name VARCHAR(100) NOT NULL
);
/* people, as the
   accountants know them */
CREATE TABLE address (person_id INT NOT NULL REFERENCES person, street TEXT, CONSTRAINT pk_address PRIMARY KEY (person_id));
