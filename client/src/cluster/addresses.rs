//! Where a cluster is.

/// One or several addresses: a text (with commas between them), or a list of texts.
pub trait IntoAddresses {
    /// The addresses, as URLs.
    fn into_addresses(self) -> Vec<String>;
}

impl IntoAddresses for &str {
    fn into_addresses(self) -> Vec<String> {
        let addresses = self.split(',').map(str::trim).filter(|address| !address.is_empty());
        addresses.map(with_scheme).collect()
    }
}

impl IntoAddresses for String {
    fn into_addresses(self) -> Vec<String> {
        self.as_str().into_addresses()
    }
}

impl IntoAddresses for &String {
    fn into_addresses(self) -> Vec<String> {
        self.as_str().into_addresses()
    }
}

impl<T: IntoAddresses> IntoAddresses for Vec<T> {
    fn into_addresses(self) -> Vec<String> {
        self.into_iter().flat_map(T::into_addresses).collect()
    }
}

impl<T: IntoAddresses, const N: usize> IntoAddresses for [T; N] {
    fn into_addresses(self) -> Vec<String> {
        self.into_iter().flat_map(T::into_addresses).collect()
    }
}

impl<T: AsRef<str>> IntoAddresses for &[T] {
    fn into_addresses(self) -> Vec<String> {
        self.iter().flat_map(|address| address.as_ref().into_addresses()).collect()
    }
}

fn with_scheme(address: &str) -> String {
    if address.contains("://") { address.to_string() } else { format!("http://{address}") }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_are_given_in_many_ways() {
        let expected = ["http://a:1", "http://b:2"];
        assert_eq!("a:1, http://b:2,".into_addresses(), expected);
        assert_eq!(vec!["a:1", "b:2"].into_addresses(), expected);
        assert_eq!(["a:1", "b:2"].into_addresses(), expected);
        assert_eq!((&["a:1".to_string(), "b:2".to_string()][..]).into_addresses(), expected);
    }
}
