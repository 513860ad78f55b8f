@main
struct Gatepost {
    static func main() {}
}
