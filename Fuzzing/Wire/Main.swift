import FuzzSupport

@main enum Fuzz {
    static func main() { runFuzzer(FuzzTarget.wire) }
}
