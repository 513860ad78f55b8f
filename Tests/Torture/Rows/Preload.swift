internal import Foundation
internal import Glibc
internal import SiteSupport
internal import TestSupport

/// A library of ours that is preloaded into a node, and the page that both share.
final class Preload: Sendable {
    let library: String
    /// The file whose page the library maps.
    let control: String
    private nonisolated(unsafe) let page: UnsafeMutableRawPointer
    static let size = 4096

    /// - Parameters:
    ///   - source: the name of a file in Tests/Preload, compiled with the C compiler that is there.
    ///   - folder: where the library and the page's file go.
    ///   - node: whose it is.
    init(_ source: String, in folder: String, for node: String) throws {
        library = "\(folder)/\(source).so"
        control = "\(folder)/\(source).\(node)"
        if access(library, R_OK) != 0 {
            let file =
                URL(fileURLWithPath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
                .deletingLastPathComponent().path + "/Preload/\(source).c"
            try ChildProcess.run(["cc", "-shared", "-fPIC", "-O2", "-o", library, file, "-ldl"])
        }
        let descriptor = open(control, O_RDWR | O_CREAT | O_CLOEXEC, 0o600)
        defer { close(descriptor) }
        guard descriptor >= 0, ftruncate(descriptor, off_t(Self.size)) == 0,
            let page = mmap(nil, Self.size, PROT_READ | PROT_WRITE, MAP_SHARED, descriptor, 0), page != MAP_FAILED
        else { throw Site.Failure("no page at \(control)") }
        self.page = page
    }

    deinit { munmap(page, Self.size) }

    /// For the node's environment.
    func environment(_ variable: String) -> [String] { ["LD_PRELOAD=\(library)", "\(variable)=\(control)"] }

    // An aligned word is read and written whole; the library's side is atomic.
    func store(_ word: Int, _ value: Int64) { page.storeBytes(of: value, toByteOffset: word * 8, as: Int64.self) }
    func load(_ word: Int) -> Int64 { page.load(fromByteOffset: word * 8, as: Int64.self) }

    /// A C string in the page.
    func text(at word: Int) -> String {
        String(cString: page.advanced(by: word * 8).assumingMemoryBound(to: CChar.self))
    }
}
