internal import CLibSASL
internal import Cryptography
internal import Glibc

/// One client's `sasl_conn_t` with all that its callbacks need: the name, the secret in libsasl2's form, the channel
/// binding. Frees them after the connection, which points at them until `sasl_dispose`.
final class ClientConversation {
    enum Outcome {
        case goOn([UInt8]?)
        case done([UInt8]?)
        case refused(reason: String)
    }

    /// Set when libsasl2's own generator has been replaced.
    var hasGoodRandomness = false
    fileprivate let name: UnsafeMutablePointer<CChar>
    fileprivate let nameLength: Int
    fileprivate let secret: UnsafeMutablePointer<sasl_secret_t>
    private let secretSize: Int
    private let binding: UnsafeMutablePointer<sasl_channel_binding_t>?
    private let bindingData: UnsafeMutablePointer<UInt8>?
    private var connection: OpaquePointer?
    private var callbacks: CallbackTable?

    init?(_ login: ClientLogin, host: String, binding octets: [UInt8]?) {
        let text = Array(login.username.utf8CString)
        name = .allocate(capacity: text.count)
        name.initialize(from: text, count: text.count)
        nameLength = text.count - 1
        // sasl_secret_t ends in the first octet of its data.
        secretSize = MemoryLayout<sasl_secret_t>.size + login.password.count
        let memory = UnsafeMutableRawPointer.allocate(
            byteCount: secretSize, alignment: MemoryLayout<sasl_secret_t>.alignment)
        memset(memory, 0, secretSize)
        secret = memory.bindMemory(to: sasl_secret_t.self, capacity: 1)
        secret.pointee.len = UInt(login.password.count)
        let offset = MemoryLayout<sasl_secret_t>.offset(of: \.data) ?? MemoryLayout<UInt>.size
        login.password.withUnsafeBytes {
            (memory + offset).copyMemory(from: $0.baseAddress ?? UnsafeRawPointer(memory), byteCount: $0.count)
        }
        if let octets {
            let data = UnsafeMutablePointer<UInt8>.allocate(capacity: octets.count)
            data.initialize(from: octets, count: octets.count)
            let value = UnsafeMutablePointer<sasl_channel_binding_t>.allocate(capacity: 1)
            value.initialize(
                to: sasl_channel_binding_t(
                    name: channelBindingName.pointer, critical: 1, len: UInt(octets.count), data: data))
            binding = value
            bindingData = data
        } else {
            binding = nil
            bindingData = nil
        }
        let callbacks = makeClientCallbacks(for: self)
        self.callbacks = callbacks
        guard sasl_client_new("smtp", host, nil, nil, callbacks.pointer, 0, &connection) == SASL_OK, setProperties()
        else { return nil }
        var mechanism: UnsafePointer<CChar>?
        _ = sasl_client_start(connection, randomnessMechanismName, nil, nil, nil, &mechanism)
        guard hasGoodRandomness else { return nil }
        // Only now: with a binding that must be used, no mechanism without one is asked.
        if let binding, sasl_setprop(connection, SASL_CHANNEL_BINDING, binding) != SASL_OK { return nil }
    }

    deinit {
        if connection != nil { sasl_dispose(&connection) }
        callbacks?.deallocate()
        explicit_bzero(secret, secretSize)
        UnsafeMutableRawPointer(secret).deallocate()
        name.deallocate()
        binding?.deallocate()
        bindingData?.deallocate()
    }

    private func setProperties() -> Bool {
        // No security layer: TLS is underneath, or the mechanism sends nothing readable.
        var security = sasl_security_properties_t()
        security.security_flags = UInt32(SASL_SEC_NOANONYMOUS)
        return sasl_setprop(connection, SASL_SEC_PROPS, &security) == SASL_OK
    }

    func start(_ mechanism: String) -> Outcome {
        var output: UnsafePointer<CChar>?
        var length: UInt32 = 0
        var chosen: UnsafePointer<CChar>?
        let status = sasl_client_start(connection, mechanism, nil, &output, &length, &chosen)
        return outcome(status, output, length)
    }

    func step(_ challenge: [UInt8]) -> Outcome {
        var output: UnsafePointer<CChar>?
        var length: UInt32 = 0
        // A null pointer would mean that nothing was sent: what is empty is lent at a real address, too.
        let status = (challenge + [0]).withUnsafeBufferPointer { buffer in
            buffer.withMemoryRebound(to: CChar.self) {
                sasl_client_step(connection, $0.baseAddress, UInt32(challenge.count), nil, &output, &length)
            }
        }
        return outcome(status, output, length)
    }

    /// The output is libsasl2's and lives until its next call.
    private func outcome(_ status: Int32, _ output: UnsafePointer<CChar>?, _ length: UInt32) -> Outcome {
        let response = output.map { Array(UnsafeRawBufferPointer(start: $0, count: Int(length))) }
        switch status {
        case SASL_OK: return .done(response)
        case SASL_CONTINUE: return .goOn(response)
        default: return .refused(reason: SASLServer.words(for: status))
        }
    }
}

// MARK: What libsasl2 calls

/// For the whole process. Never freed.
let clientGlobalCallbacks = CallbackTable(
    [
        (SASL_CB_GETPATH, unsafeBitCast(answerPluginFolder, to: (@convention(c) () -> Int32).self)),
        (SASL_CB_VERIFYFILE, unsafeBitCast(judgeFile, to: (@convention(c) () -> Int32).self)),
        (SASL_CB_LOG, unsafeBitCast(dropLogLine, to: (@convention(c) () -> Int32).self)),
    ], context: nil)

private func makeClientCallbacks(for conversation: ClientConversation) -> CallbackTable {
    CallbackTable(
        [
            (SASL_CB_AUTHNAME, unsafeBitCast(answerName, to: (@convention(c) () -> Int32).self)),
            (SASL_CB_USER, unsafeBitCast(answerName, to: (@convention(c) () -> Int32).self)),
            (SASL_CB_PASS, unsafeBitCast(answerSecret, to: (@convention(c) () -> Int32).self)),
            (SASL_CB_LOG, unsafeBitCast(dropLogLine, to: (@convention(c) () -> Int32).self)),
        ], context: Unmanaged.passUnretained(conversation).toOpaque())
}

/// The name to authenticate as; nobody else's is asked for (an empty authorisation identity: RFC 4616 §2).
private let answerName:
    @convention(c) (
        UnsafeMutableRawPointer?, Int32, UnsafeMutablePointer<UnsafePointer<CChar>?>?, UnsafeMutablePointer<UInt32>?
    ) -> Int32 = { context, id, result, length in
        guard let context else { return SASL_FAIL }
        let conversation = Unmanaged<ClientConversation>.fromOpaque(context).takeUnretainedValue()
        let end = conversation.name + conversation.nameLength
        result?.pointee = UnsafePointer(id == SASL_CB_USER ? end : conversation.name)
        length?.pointee = id == SASL_CB_USER ? 0 : UInt32(conversation.nameLength)
        return SASL_OK
    }

private let answerSecret:
    @convention(c) (
        OpaquePointer?, UnsafeMutableRawPointer?, Int32, UnsafeMutablePointer<UnsafeMutablePointer<sasl_secret_t>?>?
    ) -> Int32 = { _, context, _, result in
        guard let context else { return SASL_FAIL }
        result?.pointee = Unmanaged<ClientConversation>.fromOpaque(context).takeUnretainedValue().secret
        return SASL_OK
    }

/// It would go to syslog; what matters comes back as a status.
private let dropLogLine: @convention(c) (UnsafeMutableRawPointer?, Int32, UnsafePointer<CChar>?) -> Int32 = {
    _, _, _ in SASL_OK
}

// MARK: Randomness

/// As on the server's side (see `initializeRandomnessMechanism`): a mechanism that never comes about puts libcrypto's
/// generator in the place of libsasl2's, of which 32 bits say all.
let initializeClientRandomness:
    @convention(c) (
        UnsafePointer<sasl_utils_t>?, Int32, UnsafeMutablePointer<Int32>?,
        UnsafeMutablePointer<UnsafeMutablePointer<sasl_client_plug_t>?>?, UnsafeMutablePointer<Int32>?
    ) -> Int32 = { _, _, version, plugins, count in
        var description = sasl_client_plug_t()
        description.mech_name = UnsafePointer(randomnessMechanismNameText.pointer)
        // Or it would not even be asked.
        description.security_flags = UInt32(SASL_SEC_NOANONYMOUS)
        description.mech_new = replaceClientRandomness
        let kept = UnsafeMutablePointer<sasl_client_plug_t>.allocate(capacity: 1)
        kept.initialize(to: description)
        version?.pointee = SASL_CLIENT_PLUG_VERSION
        plugins?.pointee = kept
        count?.pointee = 1
        return SASL_OK
    }

private let replaceClientRandomness:
    @convention(c) (
        UnsafeMutableRawPointer?, UnsafeMutablePointer<sasl_client_params_t>?,
        UnsafeMutablePointer<UnsafeMutableRawPointer?>?
    ) -> Int32 = { _, parameters, _ in
        guard let utilities = parameters?.pointee.utils, let getCallback = utilities.pointee.getcallback else {
            return SASL_NOMECH
        }
        var function: (@convention(c) () -> Int32)?
        var context: UnsafeMutableRawPointer?
        guard getCallback(utilities.pointee.conn, UInt(SASL_CB_PASS), &function, &context) == SASL_OK, let context
        else { return SASL_NOMECH }
        // The table of functions is this connection's own; const for plugins' sake only.
        UnsafeMutablePointer(mutating: utilities).pointee.rand = fillFromLibcrypto
        Unmanaged<ClientConversation>.fromOpaque(context).takeUnretainedValue().hasGoodRandomness = true
        return SASL_NOMECH
    }
