import Testing

@testable import gatepost

@Suite struct Quantities {
    @Test(arguments: [
        ("250ms", Duration.milliseconds(250)), ("30s", .seconds(30)), ("5m", .seconds(300)), ("4h", .seconds(14_400)),
        ("5d", .seconds(432_000)), ("90s", .seconds(90)),
    ])
    func `a duration is a number with its unit, and is written back the same`(text: String, duration: Duration) {
        #expect(Duration(parsing: text) == duration)
        #expect(duration.text == text)
    }

    @Test(arguments: ["", "5", "0s", "-5s", "+5s", "5 s", "1.5h", "5M", "5w", "s", "99999999999999999999s", "4000d"])
    func `anything else is no duration`(text: String) {
        #expect(Duration(parsing: text) == nil)
    }

    @Test func `sizes are in binary units`() {
        #expect(ByteSize(parsing: "25MiB")?.bytes == 26_214_400)
        #expect(ByteSize(parsing: "1024")?.text == "1KiB")
        #expect(ByteSize(parsing: "1500")?.text == "1500B")
        for wrong in ["", "0", "-1", "25MB", "1.5MiB", "25 MiB", "99999999999GiB"] {
            #expect(ByteSize(parsing: wrong) == nil, "\(wrong)")
        }
    }

    @Test func `an address is a host and a port`() {
        #expect(HostPort(parsing: "127.0.0.1:10025") == HostPort(host: "127.0.0.1", port: 10025))
        #expect(HostPort(parsing: "[::1]:587") == HostPort(host: "::1", port: 587))
        #expect(HostPort(parsing: "[::1]:587")?.description == "[::1]:587")
        for wrong in [
            "", ":25", "a", "a:0", "a:65536", "a:-1", "::1:587", "[]:25", "-a:25", "a b:25", "a:25x", "[a]:1",
        ] {
            #expect(HostPort(parsing: wrong) == nil, "\(wrong)")
        }
    }
}
