internal import CLibSASL

/// One `sasl_conn_t`, with all that its callbacks need. Owns the connection, its callback table and its channel binding,
/// and frees them in that order; libsasl2 points at the other two until `sasl_dispose`.
final class Conversation {
    enum Outcome {
        case challenge([UInt8])
        case done
        case refused(status: Int32)
    }

    /// What `authPassword` says.
    let verifier: SCRAMVerifier?
    /// What the password check says.
    let passwordMatches: Bool
    /// Set when libsasl2's own generator has been replaced.
    var hasGoodRandomness = false
    /// The last thing libsasl2 complained of.
    private(set) var complaint: String?

    private var connection: OpaquePointer?
    private var callbacks: CallbackTable?
    private let binding: UnsafeMutablePointer<sasl_channel_binding_t>?
    private let bindingData: UnsafeMutablePointer<UInt8>?

    /// `isBindingRequired`: the mechanism is a -PLUS one.
    init?(
        verifier: SCRAMVerifier?, passwordMatches: Bool, channelBinding: (ChannelBindings.Kind, [UInt8])?,
        isBindingRequired: Bool
    ) {
        self.verifier = verifier
        self.passwordMatches = passwordMatches
        if let (kind, octets) = channelBinding {
            let data = UnsafeMutablePointer<UInt8>.allocate(capacity: octets.count)
            data.initialize(from: octets, count: octets.count)
            let binding = UnsafeMutablePointer<sasl_channel_binding_t>.allocate(capacity: 1)
            binding.initialize(
                to: sasl_channel_binding_t(
                    name: kind.libraryName.pointer, critical: isBindingRequired ? 1 : 0,
                    len: UInt(octets.count), data: data))
            self.binding = binding
            bindingData = data
        } else {
            binding = nil
            bindingData = nil
        }
        let callbacks = makeConversationCallbacks(for: self)
        self.callbacks = callbacks
        // A host name is given, or libsasl2 would ask the resolver for ours.
        let status = sasl_server_new("smtp", "gatepost.invalid", nil, nil, nil, callbacks.pointer, 0, &connection)
        guard status == SASL_OK, setProperties() else { return nil }
        _ = sasl_server_start(connection, randomnessMechanismName, nil, 0, nil, nil)
        guard hasGoodRandomness else { return nil }
    }

    deinit {
        if connection != nil { sasl_dispose(&connection) }
        callbacks?.deallocate()
        binding?.deallocate()
        bindingData?.deallocate()
    }

    private func setProperties() -> Bool {
        // No security layer: TLS is underneath.
        var security = sasl_security_properties_t()
        security.security_flags = UInt32(SASL_SEC_NOANONYMOUS)
        guard sasl_setprop(connection, SASL_SEC_PROPS, &security) == SASL_OK else { return false }
        // Set in every exchange, with or without -PLUS: libsasl2 sees a downgrade (RFC 5802 §6) only if it knows one.
        if let binding { return sasl_setprop(connection, SASL_CHANNEL_BINDING, binding) == SASL_OK }
        return true
    }

    func start(_ mechanism: String, _ initialResponse: [UInt8]?) -> Outcome {
        var output: UnsafePointer<CChar>?
        var length: UInt32 = 0
        guard let initialResponse else {
            return outcome(sasl_server_start(connection, mechanism, nil, 0, &output, &length), output, length)
        }
        let status = withOctets(initialResponse) {
            sasl_server_start(connection, mechanism, $0, $1, &output, &length)
        }
        return outcome(status, output, length)
    }

    func step(_ response: [UInt8]) -> Outcome {
        var output: UnsafePointer<CChar>?
        var length: UInt32 = 0
        let status = withOctets(response) { sasl_server_step(connection, $0, $1, &output, &length) }
        return outcome(status, output, length)
    }

    /// Who logged in and who they want to be, after `done`.
    var identities: (authentication: [UInt8], authorization: [UInt8])? {
        guard let authentication = property(SASL_AUTHUSER), let authorization = property(SASL_USERNAME) else {
            return nil
        }
        return (authentication, authorization)
    }

    func keep(complaint: String) {
        // It may quote the client.
        let octets = complaint.utf8.prefix(200).map { $0 >= 0x20 && $0 < 0x7f ? $0 : UInt8(ascii: "?") }
        self.complaint = String(decoding: octets, as: UTF8.self)
    }

    private func property(_ number: Int32) -> [UInt8]? {
        var value: UnsafeRawPointer?
        guard sasl_getprop(connection, number, &value) == SASL_OK, let value else { return nil }
        return Array(String(cString: value.assumingMemoryBound(to: CChar.self)).utf8)
    }

    /// The output is libsasl2's and lives until its next call.
    private func outcome(_ status: Int32, _ output: UnsafePointer<CChar>?, _ length: UInt32) -> Outcome {
        switch status {
        case SASL_OK: return .done
        case SASL_CONTINUE: return .challenge(Array(UnsafeRawBufferPointer(start: output, count: Int(length))))
        default: return .refused(status: status)
        }
    }

    /// libsasl2 takes a null pointer for "nothing was sent": what is empty is lent at a real address, too.
    private func withOctets<R>(_ octets: [UInt8], _ body: (UnsafePointer<CChar>?, UInt32) -> R) -> R {
        (octets + [0]).withUnsafeBufferPointer { buffer in
            buffer.withMemoryRebound(to: CChar.self) { body($0.baseAddress, UInt32(octets.count)) }
        }
    }
}

struct ImmortalName: @unchecked Sendable {
    // Sendable: a literal in read-only memory.
    let pointer: UnsafePointer<CChar>

    init(_ text: StaticString) {
        pointer = UnsafeRawPointer(text.utf8Start).assumingMemoryBound(to: CChar.self)
    }
}

/// RFC 9266 §2.
let channelBindingName = ImmortalName("tls-exporter")
/// RFC 5929 §4.
private let serverEndPointName = ImmortalName("tls-server-end-point")

extension ChannelBindings.Kind {
    fileprivate var libraryName: ImmortalName {
        switch self {
        case .exporter: channelBindingName
        case .serverEndPoint: serverEndPointName
        }
    }
}
