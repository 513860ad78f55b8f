import NIOCore

/// How commands are written.
extension DeliveryDialogue {
    var helloVerb: String {
        switch wire {
        case .lmtp: "LHLO"
        case .smtp: "EHLO"
        }
    }

    mutating func sayHello(isSecured: Bool, isBasic: Bool, into output: inout ByteBuffer) {
        write("\(isBasic ? "HELO" : helloVerb) \(hostname)", into: &output)
        state = .hello(isSecured: isSecured, isBasic: isBasic)
    }

    func write(_ command: String, into output: inout ByteBuffer) {
        output.writeString(command)
        output.writeStaticString("\r\n")
    }

    func mailCommand(_ transaction: Transaction, _ capabilities: DeliveryCapabilities) -> String {
        var command = "MAIL FROM:<\(transaction.sender)>"
        if let submitter = transaction.submitter {
            command += " AUTH=" + XText.encode("\(submitter)@submitter.invalid".utf8)
        }
        if capabilities.size { command += " SIZE=\(transaction.content.readableBytes)" }
        if transaction.isBinary, capabilities.binaryMIME {
            command += " BODY=BINARYMIME"
        } else if transaction.isEightBit, capabilities.eightBitMIME {
            command += " BODY=8BITMIME"
        }
        if isUTF8(transaction, capabilities) { command += " SMTPUTF8" }
        if capabilities.dsn {
            if let content = transaction.parameters.returnContent { command += " RET=\(content.rawValue)" }
            if let id = transaction.parameters.envelopeID { command += " ENVID=" + XText.encode(id.utf8) }
        }
        return command
    }

    func isUTF8(_ transaction: Transaction, _ capabilities: DeliveryCapabilities) -> Bool {
        transaction.parameters.isInternationalized && capabilities.smtpUTF8
    }

    func recipientCommand(
        _ recipient: EnvelopeRecipient, isUTF8: Bool, _ capabilities: DeliveryCapabilities
    ) -> String {
        var command = "RCPT TO:<\(recipient.mailbox)>"
        if capabilities.dsn {
            if let notify = recipient.notify { command += " NOTIFY=\(notify)" }
            // Without SMTPUTF8 no command holds more than ASCII (RFC 6533 §3).
            let original = isUTF8 ? recipient.originalRecipient : recipient.originalRecipientInASCII
            if let original { command += " ORCPT=\(original)" }
        }
        return command
    }

    /// Everything that can be written before the first reply (RFC 2920 §3.1): DATA too, but never BDAT, whose octets
    /// would follow whatever the replies are.
    func writeGroup(_ transaction: Transaction, _ capabilities: DeliveryCapabilities, into output: inout ByteBuffer) {
        let isUTF8 = isUTF8(transaction, capabilities)
        for recipient in transaction.recipients {
            write(recipientCommand(recipient, isUTF8: isUTF8, capabilities), into: &output)
        }
        if !sendsByChunks(transaction, capabilities) { write("DATA", into: &output) }
    }

    /// Content that DATA cannot carry, for a server that takes it as it is.
    func sendsByChunks(_ transaction: Transaction, _ capabilities: DeliveryCapabilities) -> Bool {
        transaction.isBinary && capabilities.binaryMIME
    }
}
