internal import CLibSASL
internal import Cryptography
internal import Glibc

// What libsasl2 calls. Each of these finds the conversation it is about and does one thing; none may block, throw or
// keep what it is lent.

let auxpropName = "gatepost"
let randomnessMechanismName = "GATEPOST-RANDOMNESS"

#if arch(arm64)
    let pluginFolder = "/usr/lib/aarch64-linux-gnu/sasl2"
#else
    let pluginFolder = "/usr/lib/x86_64-linux-gnu/sasl2"
#endif

/// The plugins that may be loaded. `libsasldb.so` and its like would look names up elsewhere.
private let pluginFiles = ["libplain.so", "liblogin.so", "libscram.so"].map { "\(pluginFolder)/\($0)" }

/// A text that C may keep for as long as the process lives.
struct ImmortalText: @unchecked Sendable {
    // Sendable: written once, before anyone else sees it, and never freed.
    let pointer: UnsafeMutablePointer<CChar>

    init(_ text: String) {
        let octets = text.utf8CString
        pointer = .allocate(capacity: octets.count)
        pointer.initialize(from: Array(octets), count: octets.count)
    }
}

private let options: [String: ImmortalText] = [
    // Passwords are checked by our callback alone; an empty list keeps libsasl2 from asking anyone else afterwards.
    "pwcheck_method": ImmortalText(""),
    "auxprop_plugin": ImmortalText(auxpropName),
    "mech_list": ImmortalText("SCRAM-SHA-256 PLAIN LOGIN \(randomnessMechanismName)"),
]
let applicationNameText = ImmortalText("gatepost")
let pluginFolderText = ImmortalText(pluginFolder)
private let auxpropNameText = ImmortalText(auxpropName)
let randomnessMechanismNameText = ImmortalText(randomnessMechanismName)

/// A callback table, which libsasl2 reads for as long as what it was given to lives.
struct CallbackTable: @unchecked Sendable {
    // Sendable: not changed after `init`.
    let pointer: UnsafeMutablePointer<sasl_callback_t>
    private let count: Int

    init(_ entries: [(id: Int32, function: (@convention(c) () -> Int32))], context: UnsafeMutableRawPointer?) {
        count = entries.count + 1
        pointer = .allocate(capacity: count)
        for (position, entry) in entries.enumerated() {
            (pointer + position).initialize(
                to: sasl_callback_t(id: UInt(entry.id), proc: entry.function, context: context))
        }
        (pointer + entries.count).initialize(to: sasl_callback_t(id: UInt(SASL_CB_LIST_END), proc: nil, context: nil))
    }

    func deallocate() {
        pointer.deinitialize(count: count)
        pointer.deallocate()
    }
}

/// For the whole process: where everything comes from. Never freed.
let globalCallbacks = CallbackTable(
    [
        (SASL_CB_GETOPT, unsafeBitCast(answerOption, to: (@convention(c) () -> Int32).self)),
        (SASL_CB_GETPATH, unsafeBitCast(answerPluginFolder, to: (@convention(c) () -> Int32).self)),
        (SASL_CB_VERIFYFILE, unsafeBitCast(judgeFile, to: (@convention(c) () -> Int32).self)),
        (SASL_CB_LOG, unsafeBitCast(keepLogLine, to: (@convention(c) () -> Int32).self)),
    ], context: nil)

/// For one conversation.
func makeConversationCallbacks(for conversation: Conversation) -> CallbackTable {
    CallbackTable(
        [
            (
                SASL_CB_SERVER_USERDB_CHECKPASS,
                unsafeBitCast(answerPasswordCheck, to: (@convention(c) () -> Int32).self)
            ),
            (SASL_CB_PROXY_POLICY, unsafeBitCast(refuseProxies, to: (@convention(c) () -> Int32).self)),
            (SASL_CB_LOG, unsafeBitCast(keepLogLine, to: (@convention(c) () -> Int32).self)),
        ], context: Unmanaged.passUnretained(conversation).toOpaque())
}

private let answerOption:
    @convention(c) (
        UnsafeMutableRawPointer?, UnsafePointer<CChar>?, UnsafePointer<CChar>?,
        UnsafeMutablePointer<UnsafePointer<CChar>?>?, UnsafeMutablePointer<UInt32>?
    ) -> Int32 = { _, _, option, result, length in
        guard let option, let value = options[String(cString: option)] else { return SASL_FAIL }
        result?.pointee = UnsafePointer(value.pointer)
        length?.pointee = UInt32(strlen(value.pointer))
        return SASL_OK
    }

let answerPluginFolder:
    @convention(c) (UnsafeMutableRawPointer?, UnsafeMutablePointer<UnsafePointer<CChar>?>?) -> Int32 = { _, path in
        path?.pointee = UnsafePointer(pluginFolderText.pointer)
        return SASL_OK
    }

/// Lets three plugins in, and no configuration file.
let judgeFile: @convention(c) (UnsafeMutableRawPointer?, UnsafePointer<CChar>?, sasl_verify_type_t) -> Int32 = {
    _, file, type in
    guard let file, type == SASL_VRFY_PLUGIN, pluginFiles.contains(String(cString: file)) else { return SASL_CONTINUE }
    return SASL_OK
}

/// Keeps the last thing that libsasl2 complained of, for our own log; it would go to syslog otherwise.
private let keepLogLine: @convention(c) (UnsafeMutableRawPointer?, Int32, UnsafePointer<CChar>?) -> Int32 = {
    context, level, message in
    guard let context, let message, level <= SASL_LOG_FAIL else { return SASL_OK }
    Unmanaged<Conversation>.fromOpaque(context).takeUnretainedValue().keep(complaint: String(cString: message))
    return SASL_OK
}

/// Gives the result that was computed before libsasl2 was asked.
private let answerPasswordCheck:
    @convention(c) (
        OpaquePointer?, UnsafeMutableRawPointer?, UnsafePointer<CChar>?, UnsafePointer<CChar>?, UInt32, OpaquePointer?
    ) -> Int32 = { _, context, _, _, _, _ in
        guard let context else { return SASL_FAIL }
        let conversation = Unmanaged<Conversation>.fromOpaque(context).takeUnretainedValue()
        return conversation.passwordMatches ? SASL_OK : SASL_BADAUTH
    }

/// Nobody acts for anybody: both names must be the same octets.
private let refuseProxies:
    @convention(c) (
        OpaquePointer?, UnsafeMutableRawPointer?, UnsafePointer<CChar>?, UInt32, UnsafePointer<CChar>?, UInt32,
        UnsafePointer<CChar>?, UInt32, OpaquePointer?
    ) -> Int32 = { _, _, requested, requestedLength, authenticated, authenticatedLength, _, _, _ in
        guard let requested, let authenticated, requestedLength == authenticatedLength,
            memcmp(requested, authenticated, Int(requestedLength)) == 0
        else { return SASL_NOAUTHZ }
        return SASL_OK
    }

// MARK: The store

/// Serves `authPassword` (RFC 5803) from the conversation: nothing is looked up.
let initializeAuxprop:
    @convention(c) (
        UnsafePointer<sasl_utils_t>?, Int32, UnsafeMutablePointer<Int32>?,
        UnsafeMutablePointer<UnsafeMutablePointer<sasl_auxprop_plug_t>?>?, UnsafePointer<CChar>?
    ) -> Int32 = { _, _, version, plugin, _ in
        var description = sasl_auxprop_plug_t()
        description.auxprop_lookup = serveVerifier
        description.name = auxpropNameText.pointer
        // libsasl2 keeps it until the process ends.
        let kept = UnsafeMutablePointer<sasl_auxprop_plug_t>.allocate(capacity: 1)
        kept.initialize(to: description)
        version?.pointee = SASL_AUXPROP_PLUG_VERSION
        plugin?.pointee = kept
        return SASL_OK
    }

private let serveVerifier:
    @convention(c) (
        UnsafeMutableRawPointer?, UnsafeMutablePointer<sasl_server_params_t>?, UInt32, UnsafePointer<CChar>?, UInt32
    ) -> Int32 = { _, parameters, flags, _, _ in
        guard let parameters, let conversation = conversation(of: parameters) else { return SASL_FAIL }
        // The secret belongs to who authenticates, not to whom they want to be.
        guard flags & UInt32(SASL_AUXPROP_AUTHZID) == 0 else { return SASL_OK }
        guard let verifier = conversation.verifier else { return SASL_OK }
        guard var property = prop_get(parameters.pointee.propctx) else { return SASL_FAIL }
        while let name = property.pointee.name {
            if strcmp(name, "*authPassword") == 0, property.pointee.values == nil {
                let text = verifier.encoded
                let status = prop_set(parameters.pointee.propctx, name, text, Int32(text.utf8.count))
                guard status == SASL_OK else { return status }
            }
            property += 1
        }
        return SASL_OK
    }

private func conversation(of parameters: UnsafeMutablePointer<sasl_server_params_t>) -> Conversation? {
    guard let utilities = parameters.pointee.utils, let getCallback = utilities.pointee.getcallback else { return nil }
    var function: (@convention(c) () -> Int32)?
    var context: UnsafeMutableRawPointer?
    let status = getCallback(utilities.pointee.conn, UInt(SASL_CB_SERVER_USERDB_CHECKPASS), &function, &context)
    guard status == SASL_OK, let context else { return nil }
    return Unmanaged<Conversation>.fromOpaque(context).takeUnretainedValue()
}

// MARK: Randomness

/// libsasl2 makes SCRAM's nonce with `jrand48`, of which 32 bits of state say all: an exchange could be foreseen and
/// replayed. A mechanism that is never available is asked whether it is, with the connection's parameters in hand,
/// before the real one starts, and puts libcrypto's generator in the place of libsasl2's.
let initializeRandomnessMechanism:
    @convention(c) (
        UnsafePointer<sasl_utils_t>?, Int32, UnsafeMutablePointer<Int32>?,
        UnsafeMutablePointer<UnsafeMutablePointer<sasl_server_plug_t>?>?, UnsafeMutablePointer<Int32>?
    ) -> Int32 = { _, _, version, plugins, count in
        var description = sasl_server_plug_t()
        description.mech_name = UnsafePointer(randomnessMechanismNameText.pointer)
        description.mech_avail = replaceRandomness
        let kept = UnsafeMutablePointer<sasl_server_plug_t>.allocate(capacity: 1)
        kept.initialize(to: description)
        version?.pointee = SASL_SERVER_PLUG_VERSION
        plugins?.pointee = kept
        count?.pointee = 1
        return SASL_OK
    }

private let replaceRandomness:
    @convention(c) (
        UnsafeMutableRawPointer?, UnsafeMutablePointer<sasl_server_params_t>?,
        UnsafeMutablePointer<UnsafeMutableRawPointer?>?
    ) -> Int32 = { _, parameters, _ in
        guard let parameters, let conversation = conversation(of: parameters) else { return SASL_NOMECH }
        // The table of functions is this connection's own; const for plugins' sake only.
        guard let utilities = parameters.pointee.utils else { return SASL_NOMECH }
        UnsafeMutablePointer(mutating: utilities).pointee.rand = fillFromLibcrypto
        conversation.hasGoodRandomness = true
        return SASL_NOMECH
    }

let fillFromLibcrypto: @convention(c) (OpaquePointer?, UnsafeMutablePointer<CChar>?, UInt32) -> Void = {
    _, buffer, length in
    fillWithRandomBytes(UnsafeMutableRawBufferPointer(start: buffer, count: Int(length)))
}
