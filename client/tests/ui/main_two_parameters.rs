#[mobula::main]
async fn main(cluster: mobula::Cluster, arguments: Vec<String>) {}
