/// A version of Gatepost: what a schema may demand of the nodes that use it.
package struct Release: Hashable, Comparable, Sendable, CustomStringConvertible {
    package var major, minor, patch: Int

    /// This binary's.
    package static let current = Release(0, 1, 0)

    package init(_ major: Int, _ minor: Int, _ patch: Int) {
        (self.major, self.minor, self.patch) = (major, minor, patch)
    }

    /// From `1.2.3`; nil for anything else.
    package init?(_ text: some StringProtocol) {
        let parts = text.split(separator: ".", omittingEmptySubsequences: false).map { Int($0) }
        guard parts.count == 3, let major = parts[0], let minor = parts[1], let patch = parts[2] else { return nil }
        self.init(major, minor, patch)
    }

    package static func < (a: Release, b: Release) -> Bool {
        (a.major, a.minor, a.patch) < (b.major, b.minor, b.patch)
    }

    package var description: String { "\(major).\(minor).\(patch)" }
}
