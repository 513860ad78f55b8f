package import NIOCore

/// AUTH as a client (RFC 4954). The octets are the caller's; here they become Base64 and find their place.
extension DeliveryDialogue {
    /// RFC 4954 §4: an initial response that would make the command longer waits for the server's empty challenge.
    static let maxCommandLength = 512

    /// After ``Action/authenticate``: begins the exchange. Nil: the server speaks first.
    package mutating func authenticate(
        mechanism: String, initialResponse: [UInt8]?, into output: inout ByteBuffer
    ) {
        guard case .authenticating(let capabilities, _) = state else { return }
        var command = "AUTH \(mechanism)"
        var held: [UInt8]?
        if let initialResponse {
            let text =
                initialResponse.isEmpty ? "=" : String(decoding: Base64Text.encode(initialResponse), as: UTF8.self)
            if command.utf8.count + 1 + text.utf8.count + 2 <= Self.maxCommandLength {
                command += " \(text)"
            } else {
                held = initialResponse
            }
        }
        state = .authenticating(capabilities, heldResponse: held)
        write(command, into: &output)
    }

    /// After ``Action/challenge(_:)``. An empty response is an empty line.
    package mutating func respond(_ response: [UInt8], into output: inout ByteBuffer) {
        guard case .authenticating = state else { return }
        write(String(decoding: Base64Text.encode(response), as: UTF8.self), into: &output)
    }

    /// After ``Action/authenticate`` or ``Action/challenge(_:)``: there is no way on.
    package mutating func abandonAuthentication(_ reason: String) {
        guard case .authenticating = state else { return }
        fail(
            RemoteReply(code: 454, enhanced: EnhancedCode(4, 7, 0), text: reason, command: "AUTH", isOurs: true))
    }

    /// After ``Action/authenticated``: whether the server has proved itself too, where the mechanism asks that of it.
    package mutating func confirm(isGenuine: Bool) {
        guard case .confirming(let capabilities) = state else { return }
        guard isGenuine else {
            return fail(
                RemoteReply(
                    code: 454, enhanced: EnhancedCode(4, 7, 0),
                    text: "the server has not proved that it knows the secret",
                    command: "AUTH", isOurs: true))
        }
        state = .idle(capabilities)
        pending.append(.ready)
    }

    /// One reply to AUTH or to a response.
    mutating func takeAuthentication(
        _ reply: RemoteReply, _ lines: [[UInt8]], _ capabilities: DeliveryCapabilities, held: [UInt8]?,
        into output: inout ByteBuffer
    ) {
        switch reply.code {
        case 334:
            guard lines.count == 1, let challenge = Base64Text.decode(lines[0]) else {
                return fail(violation("a challenge that is no Base64"))
            }
            state = .authenticating(capabilities, heldResponse: nil)
            if let held, challenge.isEmpty { return respond(held, into: &output) }
            pending.append(.challenge(challenge))
        case 200..<300:
            state = .confirming(capabilities)
            pending.append(.authenticated)
        case 300..<400:
            fail(violation("\(reply.code) where none belongs"))
        default:
            fail(reply)
        }
    }
}
