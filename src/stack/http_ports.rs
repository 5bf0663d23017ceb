//! Which ports carry HTTP.

/// Ports of protocols that are not HTTP although people put proxies in front of them.
const NOT_HTTP: &[u16] = &[
    22, 25, 53, 110, 143, 389, 465, 587, 636, 993, 995, 1433, 1521, 1883, 2181, 3306, 3389, 4222, 5222, 5432, 5433,
    5671, 5672, 6379, 6380, 6432, 7000, 7001, 7687, 8883, 9042, 9092, 9093, 9094, 11211, 26257, 26379, 27017, 27018,
    33060, 50000,
];

/// Whether a port is taken to carry HTTP: a proxy must parse it from the first byte of a connection on, or it could
/// not answer in the service's place later.
pub fn carries_http(port: u16) -> bool {
    NOT_HTTP.binary_search(&port).is_err()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn databases_are_not_parsed_as_http_and_the_table_is_sorted() {
        assert!(NOT_HTTP.is_sorted(), "binary search");
        assert!(!carries_http(5432) && !carries_http(6379) && !carries_http(3306));
        assert!(carries_http(80) && carries_http(8080) && carries_http(9100));
    }
}
