// COpenSSL: in some orders of building, that module comes to own `tm` (its headers include <time.h>).
internal import COpenSSL
internal import FoundationEssentials
internal import Glibc

/// The list of what an authority issued and revoked: a JSON object to a line, only ever added to.
struct CertificateIndex {
    let path: String

    private struct Line: Codable {
        let name: String
        let kind: String
        let serial: String
        let notBefore: String
        let notAfter: String
        let hosts: [String]

        enum CodingKeys: String, CodingKey {
            case name, kind, serial, hosts
            case notBefore = "not_before"
            case notAfter = "not_after"
        }
    }

    private struct RevocationLine: Codable {
        let serial: String
        let revokedAt: String
        let reason: String

        enum CodingKeys: String, CodingKey {
            case serial, reason
            case revokedAt = "revoked_at"
        }
    }

    func create() throws(TLSError) { try writeNewFile(path, []) }

    /// Two commands at once add two lines.
    func append(_ entry: CertificateAuthority.Entry) throws(TLSError) {
        try exclusively { (writer) throws(TLSError) in try writer.append(entry) }
    }

    /// Holds every other command off until `body` is done: what it reads of the index is what it adds to.
    func exclusively<Result>(_ body: (Writer) throws(TLSError) -> Result) throws(TLSError) -> Result {
        let descriptor = open(path, O_WRONLY | O_APPEND | O_NOFOLLOW | O_CLOEXEC)
        guard descriptor >= 0 else { throw .file(path: path, reason: lastSystemError()) }
        defer { close(descriptor) }
        while flock(descriptor, LOCK_EX) != 0 {
            guard errno == EINTR else { throw .file(path: path, reason: lastSystemError()) }
        }
        return try body(Writer(descriptor: descriptor, path: path))
    }

    /// The index while nobody else may change it.
    struct Writer {
        fileprivate let descriptor: Int32
        fileprivate let path: String

        func append(_ entry: CertificateAuthority.Entry) throws(TLSError) {
            try append(
                Line(
                    name: entry.name, kind: entry.kind, serial: entry.serial, notBefore: dateText(entry.notBefore),
                    notAfter: dateText(entry.notAfter), hosts: entry.hosts))
        }

        func append(revoked serial: String, _ revocation: CertificateAuthority.Revocation) throws(TLSError) {
            try append(
                RevocationLine(
                    serial: serial, revokedAt: dateText(revocation.time), reason: revocation.reason.rawValue))
        }

        private func append(_ line: some Encodable) throws(TLSError) {
            let encoder = JSONEncoder()
            encoder.outputFormatting = [.sortedKeys, .withoutEscapingSlashes]
            guard let encoded = try? encoder.encode(line) else {
                throw .file(path: path, reason: "the certificate cannot be written down")
            }
            try writeAll(Array(encoded) + [UInt8(ascii: "\n")], to: descriptor, path)
        }
    }

    func entries() throws(TLSError) -> [CertificateAuthority.Entry] {
        var entries: [CertificateAuthority.Entry] = []
        let content = try readFile(path)
        for (number, text) in content.split(separator: UInt8(ascii: "\n")).enumerated() {
            if let line = try? JSONDecoder().decode(Line.self, from: Data(text)),
                let notBefore = seconds(ofDate: line.notBefore), let notAfter = seconds(ofDate: line.notAfter)
            {
                entries.append(
                    CertificateAuthority.Entry(
                        name: line.name, kind: line.kind, serial: line.serial, notBefore: notBefore,
                        notAfter: notAfter, hosts: line.hosts))
            } else if let line = try? JSONDecoder().decode(RevocationLine.self, from: Data(text)),
                let time = seconds(ofDate: line.revokedAt),
                let reason = CertificateAuthority.Revocation.Reason(rawValue: line.reason),
                let index = entries.firstIndex(where: { $0.serial == line.serial })
            {
                entries[index].revocation = CertificateAuthority.Revocation(time: time, reason: reason)
            } else {
                throw .file(path: path, reason: "line \(number + 1) is neither a certificate nor a revocation")
            }
        }
        return entries
    }
}

/// Reads what `dateText(_:)` writes.
private func seconds(ofDate text: String) -> Int64? {
    let parts = text.split(whereSeparator: { "-T:Z".contains($0) }).compactMap { Int32($0) }
    guard parts.count == 6 else { return nil }
    var broken = tm()
    broken.tm_year = parts[0] - 1_900
    broken.tm_mon = parts[1] - 1
    broken.tm_mday = parts[2]
    broken.tm_hour = parts[3]
    broken.tm_min = parts[4]
    broken.tm_sec = parts[5]
    let seconds = Int64(timegm(&broken))
    return dateText(seconds) == text ? seconds : nil
}
