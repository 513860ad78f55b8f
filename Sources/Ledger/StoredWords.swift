internal import SMTP

// How the database spells what travels with a message.

extension BodyType {
    var word: String {
        switch self {
        case .sevenBit: "7bit"
        case .eightBitMIME: "8bitmime"
        case .binaryMIME: "binarymime"
        }
    }

    init?(word: String) {
        switch word {
        case "7bit": self = .sevenBit
        case "8bitmime": self = .eightBitMIME
        case "binarymime": self = .binaryMIME
        default: return nil
        }
    }
}

extension ReturnContent {
    var word: String {
        switch self {
        case .full: "full"
        case .headers: "hdrs"
        }
    }

    init?(word: String) {
        switch word {
        case "full": self = .full
        case "hdrs": self = .headers
        default: return nil
        }
    }
}
