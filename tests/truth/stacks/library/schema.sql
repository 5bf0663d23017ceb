CREATE DATABASE library;
USE library;

CREATE TABLE books (id INT PRIMARY KEY, title VARCHAR(100) NOT NULL, lent INT NOT NULL DEFAULT 0);
CREATE TABLE loans (
    id BIGINT AUTO_INCREMENT PRIMARY KEY,
    book INT NOT NULL REFERENCES books (id),
    lent_at TIMESTAMP NOT NULL DEFAULT CURRENT_TIMESTAMP
);
CREATE TABLE archive (id BIGINT PRIMARY KEY);

INSERT INTO books (id, title) SELECT seq, CONCAT('Book ', seq) FROM seq_1_to_500;
INSERT INTO loans (book) SELECT 1 + seq % 500 FROM seq_1_to_1000;

-- The application.
CREATE USER library@'%' IDENTIFIED BY 'library-local';
GRANT SELECT, INSERT, UPDATE ON library.* TO library@'%';

-- The job that makes the monthly report.
CREATE USER report@'%' IDENTIFIED BY 'report-local';
GRANT SELECT, LOCK TABLES ON library.* TO report@'%';

-- People on call.
CREATE USER oncall@'%' IDENTIFIED BY 'oncall-local';
GRANT ALL PRIVILEGES ON *.* TO oncall@'%' WITH GRANT OPTION;
