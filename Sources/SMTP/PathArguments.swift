/// How a message's content may be encoded (RFC 6152, 3030).
package enum BodyType: String, Hashable, Sendable {
    case sevenBit = "7BIT"
    case eightBitMIME = "8BITMIME"
    case binaryMIME = "BINARYMIME"
}

/// What is wrong with a command, as the reply to it.
struct CommandFault: Error, Equatable {
    let reply: Reply
    init(_ reply: Reply) { self.reply = reply }
}

/// The argument of MAIL: a path and the parameters of SIZE, 8BITMIME, BINARYMIME, SMTPUTF8, DSN and AUTH.
///
///     mail = "MAIL FROM:" Reverse-path [SP Mail-parameters] CRLF                        (RFC 5321 §4.1.1.2)
struct MailArgument: Equatable {
    var sender: ReversePath
    /// `SIZE=`; what does not fit an Int is `Int.max` (RFC 1870 §6).
    var declaredSize: Int?
    /// What the client declared; without `BODY=`, the content is 7BIT (RFC 6152 §3).
    var parameters = MailParameters(body: .sevenBit)
    /// `AUTH=` with its xtext undone: a mailbox, or `<>` (RFC 4954 §5).
    var submitter: String?

    /// What a malformed `AUTH=` means: a fault, or the same as none, where its absence is one.
    enum SubmitterRule { case optional, required }

    init(parsing argument: ArraySlice<UInt8>, submitter rule: SubmitterRule = .optional) throws(CommandFault) {
        guard argument.startsIgnoringCase("FROM:") else { throw CommandFault(.mailSyntax) }
        let (path, rest) = try splitPath(
            argument.dropFirst(5), orThrow: .sender(.malformed), unbegun: .senderWithoutBrackets)
        // Wherever SMTPUTF8 stands behind it, it decides what the path may be.
        let isInternationalized = rest.split(separator: .space).contains { $0.equalsIgnoringCase("SMTPUTF8") }
        do throws(AddressError) {
            sender = path.isEmpty ? .null : .mailbox(try mailbox(in: path, isInternationalized: isInternationalized))
        } catch {
            throw CommandFault(.sender(error))
        }
        var keywords = OnceOnly()
        for parameter in try splitParameters(rest) {
            try keywords.note(parameter)
            try take(parameter, submitter: rule)
        }
    }

    private mutating func take(_ parameter: Parameter, submitter rule: SubmitterRule) throws(CommandFault) {
        if parameter.keyword.equalsIgnoringCase("SIZE") {
            guard let value = parameter.value, (1...20).contains(value.count), value.allSatisfy(\.isDigit) else {
                throw CommandFault(.malformedParameter)
            }
            declaredSize = Int(decimal: value) ?? .max
        } else if parameter.keyword.equalsIgnoringCase("BODY") {
            parameters.body = try parameter.parsed { value in
                BodyType(rawValue: String(decoding: value.map(\.uppercased), as: UTF8.self))
            }
        } else if parameter.keyword.equalsIgnoringCase("SMTPUTF8") {
            guard parameter.value == nil else { throw CommandFault(.malformedParameter) }
            parameters.isInternationalized = true
        } else if parameter.keyword.equalsIgnoringCase("RET") {
            parameters.returnContent = try parameter.parsed(DeliveryStatusParameters.returnContent)
        } else if parameter.keyword.equalsIgnoringCase("ENVID") {
            parameters.envelopeID = try parameter.parsed(DeliveryStatusParameters.envelopeID)
        } else if parameter.keyword.equalsIgnoringCase("AUTH") {
            submitter = parameter.value.flatMap(Self.submitter)
            if submitter == nil, rule == .optional, !parameter.hasBracketedMailbox {
                throw CommandFault(.malformedParameter)
            }
        } else {
            throw CommandFault(.unknownParameter)
        }
    }

    /// `AUTH=<>`, or the xtext of a mailbox.
    private static func submitter(_ value: ArraySlice<UInt8>) -> String? {
        guard let octets = XText.decode(value) else { return nil }
        let text = String(decoding: octets, as: UTF8.self)
        if text == "<>" { return text }
        return (try? Mailbox(parsing: text)) == nil ? nil : text
    }
}

/// The argument of RCPT: a path and the parameters of DSN.
///
///     rcpt = "RCPT TO:" ( "<Postmaster@" Domain ">" / "<Postmaster>" / Forward-path ) [SP Rcpt-parameters] CRLF
struct RecipientArgument: Equatable {
    var recipient: EnvelopeRecipient

    /// `isInternationalized`: MAIL had SMTPUTF8.
    init(parsing argument: ArraySlice<UInt8>, isInternationalized: Bool = false) throws(CommandFault) {
        guard argument.startsIgnoringCase("TO:") else { throw CommandFault(.recipientSyntax) }
        let (path, rest) = try splitPath(
            argument.dropFirst(3), orThrow: .recipient(.malformed), unbegun: .recipientWithoutBrackets)
        let isPostmaster = path.equalsIgnoringCase("Postmaster")
        do throws(AddressError) {
            guard !isPostmaster else { throw .withoutDomain }
            recipient = EnvelopeRecipient(try mailbox(in: path, isInternationalized: isInternationalized))
        } catch {
            throw CommandFault(.recipient(error == .withoutDomain && !isPostmaster ? .malformed : error))
        }
        var keywords = OnceOnly()
        for parameter in try splitParameters(rest) {
            try keywords.note(parameter)
            if parameter.keyword.equalsIgnoringCase("NOTIFY") {
                recipient.notify = try parameter.parsed(DeliveryStatusParameters.notify)
            } else if parameter.keyword.equalsIgnoringCase("ORCPT") {
                recipient.originalRecipient = try parameter.parsed { value in
                    DeliveryStatusParameters.originalRecipient(value, isInternationalized: isInternationalized)
                }
            } else {
                throw CommandFault(.unknownParameter)
            }
        }
    }
}

/// `<path>` and what follows it; angle brackets inside a quoted local part do not end it. `unbegun`: there is a blank in
/// front of it, or no bracket.
private func splitPath(
    _ text: ArraySlice<UInt8>, orThrow reply: @autoclosure () -> Reply, unbegun: @autoclosure () -> Reply
) throws(CommandFault) -> (path: ArraySlice<UInt8>, rest: ArraySlice<UInt8>) {
    guard text.first == UInt8(ascii: "<") else { throw CommandFault(unbegun()) }
    var quoted = false
    var index = text.startIndex + 1
    while index < text.endIndex {
        switch text[index] {
        case UInt8(ascii: "\\") where quoted: index += 1
        case UInt8(ascii: "\""): quoted.toggle()
        case UInt8(ascii: ">") where !quoted:
            let rest = text[(index + 1)...]
            guard rest.isEmpty || rest.first == .space else { throw CommandFault(reply()) }
            return (text[(text.startIndex + 1)..<index], rest)
        default: break
        }
        index += 1
    }
    throw CommandFault(reply())
}

private func mailbox(in path: ArraySlice<UInt8>, isInternationalized: Bool) throws(AddressError) -> Mailbox {
    if path.first == UInt8(ascii: "@"), path.contains(UInt8(ascii: ":")) { throw .sourceRoute }
    let mailbox = try Mailbox(parsing: path)
    guard isInternationalized || !path.contains(where: \.isEightBit) else { throw .internationalized }
    return mailbox
}

private struct Parameter {
    let keyword: [UInt8]  // upper case
    let value: ArraySlice<UInt8>?

    /// As curl's `--mail-auth` says it. Nobody here goes by whom a client names, so that it does no harm.
    var hasBracketedMailbox: Bool {
        guard let value, value.first == UInt8(ascii: "<"), value.last == UInt8(ascii: ">") else { return false }
        return (try? Mailbox(parsing: value.dropFirst().dropLast())) != nil
    }

    /// The value as `parse` reads it; one that is missing or that it cannot read is a fault.
    func parsed<Value>(_ parse: (ArraySlice<UInt8>) -> Value?) throws(CommandFault) -> Value {
        guard let parsed = value.flatMap(parse) else { throw CommandFault(.malformedParameter) }
        return parsed
    }
}

/// Each parameter may be given once (RFC 5321 §4.1.1.11).
private struct OnceOnly {
    private var seen: [[UInt8]] = []

    mutating func note(_ parameter: Parameter) throws(CommandFault) {
        guard !seen.contains(parameter.keyword) else { throw CommandFault(.malformedParameter) }
        seen.append(parameter.keyword)
    }
}

///     esmtp-param = esmtp-keyword ["=" esmtp-value]      esmtp-keyword = (ALPHA / DIGIT) *(ALPHA / DIGIT / "-")
///     esmtp-value = 1*(%d33-60 / %d62-126)                        (RFC 5321 §4.1.2; UTF8-non-ascii: RFC 6531 §3.3)
private func splitParameters(_ text: ArraySlice<UInt8>) throws(CommandFault) -> [Parameter] {
    var parameters: [Parameter] = []
    for word in text.split(separator: .space) {
        let equals = word.firstIndex(of: UInt8(ascii: "=")) ?? word.endIndex
        let keyword = word[..<equals]
        let value = equals < word.endIndex ? word[(equals + 1)...] : nil
        guard keyword.first?.isLetterOrDigit == true,
            keyword.allSatisfy({ $0.isLetterOrDigit || $0 == UInt8(ascii: "-") }),
            value.map({ !$0.isEmpty && $0.allSatisfy(isValueOctet) }) ?? true
        else { throw CommandFault(.malformedParameter) }
        parameters.append(Parameter(keyword: keyword.map(\.uppercased), value: value))
    }
    return parameters
}

/// Octets over 127 are judged by the parameter that may hold them; every other refuses them.
private func isValueOctet(_ octet: UInt8) -> Bool {
    octet.isVisible && octet != UInt8(ascii: "=") || octet.isEightBit
}

/// The name in EHLO, HELO or LHLO, from an alphabet that can do no harm in a header line; nil for anything else.
///
/// Wider than RFC 5321's `Domain / address-literal`, for real hosts call themselves anything: letters, digits,
/// `.`, `-`, `_`, and `[`, `]`, `:` for literals.
func helloName(_ argument: ArraySlice<UInt8>) -> String? {
    guard (1...255).contains(argument.count),
        argument.allSatisfy({ octet in
            octet.isLetterOrDigit || octet == .dot || octet == UInt8(ascii: "-") || octet == UInt8(ascii: "_")
                || octet == UInt8(ascii: "[") || octet == UInt8(ascii: "]") || octet == UInt8(ascii: ":")
        })
    else { return nil }
    // Brackets make an address literal (RFC 5321 §4.1.3), or nothing.
    let (open, close) = (UInt8(ascii: "["), UInt8(ascii: "]"))
    if argument.contains(open) || argument.contains(close) {
        guard argument.first == open, argument.last == close, argument.count > 2,
            !argument.dropFirst().dropLast().contains(where: { $0 == open || $0 == close })
        else { return nil }
    }
    return String(decoding: argument, as: UTF8.self)
}
