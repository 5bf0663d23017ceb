CREATE DATABASE IF NOT EXISTS stores;
CREATE USER IF NOT EXISTS 'app'@'%' IDENTIFIED BY 'app-local';
GRANT ALL ON stores.* TO 'app'@'%';
CREATE TABLE IF NOT EXISTS stores.orders (id BIGINT AUTO_INCREMENT PRIMARY KEY, customer INT, reference BIGINT, KEY (customer));
INSERT INTO stores.orders (customer) SELECT seq % 100 + 1 FROM stores.seq_1_to_5000;
