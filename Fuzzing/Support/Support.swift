/// What a fuzz target found to be false.
package struct Violation: Error, CustomStringConvertible {
    package let description: String

    package init(_ description: String) { self.description = description }
}

package func demand(_ holds: Bool, _ promise: @autoclosure () -> String) throws(Violation) {
    guard holds else { throw Violation(promise()) }
}

/// Something that takes octets from strangers, and what must be true of it whatever they are.
package struct FuzzTarget: Sendable, CustomStringConvertible {
    package let name: String
    /// Inputs are not made longer than so many octets.
    package let longest: Int
    package let property: @Sendable (_ octets: [UInt8]) throws(Violation) -> Void

    package init(
        name: String, longest: Int, property: @escaping @Sendable (_ octets: [UInt8]) throws(Violation) -> Void
    ) {
        self.name = name
        self.longest = longest
        self.property = property
    }

    package var description: String { name }
}

/// An input's first octets choose how the target is set up; the rest is what it is given.
package struct Choices {
    package private(set) var rest: ArraySlice<UInt8>

    package init(_ octets: [UInt8]) { rest = octets[...] }

    /// Nought when there is none left.
    package mutating func octet() -> UInt8 { rest.popFirst() ?? 0 }
}
