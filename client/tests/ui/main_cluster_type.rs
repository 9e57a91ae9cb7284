#[mobula::main]
async fn main(cluster: String) {
    println!("{cluster}");
}
