import FuzzSupport
import Glibc
import Testing

/// What `make fuzz` runs for hours, for some seconds: every target over its seeds and over mutations of them, in a debug
/// build, where every bound is checked.
@Suite(.timeLimit(.minutes(5))) struct FuzzRegressionTests {
    private static let seeds = #filePath.split(separator: "/").dropLast(2).reduce("") { "\($0)/\($1)" } + "/Seeds"

    /// A target's seeds, and what was found by it once.
    private static func inputs(of target: FuzzTarget) throws -> [(name: String, octets: [UInt8])] {
        let folder = try #require(opendir("\(seeds)/\(target.name)"))
        defer { closedir(folder) }
        var inputs: [(String, [UInt8])] = []
        while let entry = readdir(folder) {
            let name = withUnsafeBytes(of: entry.pointee.d_name) { bytes in
                String(decoding: bytes.prefix { $0 != 0 }, as: UTF8.self)
            }
            guard !name.hasPrefix(".") else { continue }
            let file = try #require(fopen("\(seeds)/\(target.name)/\(name)", "r"))
            defer { fclose(file) }
            var octets = [UInt8](repeating: 0, count: 65_536)
            octets.removeLast(octets.count - fread(&octets, 1, octets.count, file))
            inputs.append((name, octets))
        }
        return inputs.sorted { $0.0 < $1.0 }
    }

    @Test(arguments: FuzzTarget.wire + [.settings])
    func `holds for its seeds and for what is near them`(target: FuzzTarget) throws {
        let inputs = try Self.inputs(of: target)
        #expect(!inputs.isEmpty, "no seeds for \(target.name)")
        var generator = Mutations(seed: 7)
        for (name, octets) in inputs {
            #expect(throws: Never.self, "\(target.name)/\(name)") { try target.property(octets) }
        }
        let clock = ContinuousClock()
        let end = clock.now + .seconds(1)
        var count = 0
        while count < 2_000, count < 200 || clock.now < end {
            count += 1
            guard let one = inputs.randomElement(using: &generator), let other = inputs.randomElement(using: &generator)
            else { return }
            let octets = generator.mutated(one.octets, with: other.octets, longest: target.longest)
            #expect(throws: Never.self, "\(target.name): \(octets)") { try target.property(octets) }
        }
    }
}

/// Octets changed, taken out, doubled and spliced, from a seed that is always the same.
private struct Mutations: RandomNumberGenerator {
    private var state: UInt64

    init(seed: UInt64) { state = seed }

    mutating func next() -> UInt64 {
        state &+= 0x9E37_79B9_7F4A_7C15
        var word = state
        word = (word ^ word >> 30) &* 0xBF58_476D_1CE4_E5B9
        word = (word ^ word >> 27) &* 0x94D0_49BB_1331_11EB
        return word ^ word >> 31
    }

    private static let telling: [UInt8] = [0, 0x0A, 0x0D, 0x20, 0x2E, 0x3A, 0x3C, 0x3E, 0x22, 0x5C, 0x7F, 0x80, 0xFF]

    mutating func mutated(_ one: [UInt8], with other: [UInt8], longest: Int) -> [UInt8] {
        var octets = one
        for _ in 0..<Int.random(in: 1...4, using: &self) {
            let place = Int.random(in: 0...octets.count, using: &self)
            let end = min(octets.count, place + Int.random(in: 0...16, using: &self))
            switch Int.random(in: 0..<5, using: &self) {
            case 0 where place < octets.count: octets[place] = UInt8.random(in: 0...255, using: &self)
            case 1: octets.insert(Self.telling.randomElement(using: &self) ?? 0, at: place)
            case 2: octets.removeSubrange(place..<end)
            case 3: octets.insert(contentsOf: octets[place..<end], at: place)
            default:
                let start = Int.random(in: 0...other.count, using: &self)
                octets.replaceSubrange(place..<end, with: other[start...].prefix(Int.random(in: 0...40, using: &self)))
            }
        }
        return Array(octets.prefix(longest))
    }
}
