internal import COpenSSL
internal import NIOCore

/// Makes a BIO that reads from and writes to a connection's two byte buffers. OpenSSL's own memory BIOs would keep
/// their memory for as long as the connection lives.
///
/// The BIO does not retain the connection: the connection owns the `SSL`, the `SSL` owns the BIO, and no call into
/// either outlives the connection.
func makeByteBufferBIO(for connection: TLSConnection) -> OpaquePointer? {
    guard let bio = BIO_new(ByteBufferBIOMethod.shared.pointer) else { return nil }
    BIO_set_data(bio, Unmanaged.passUnretained(connection).toOpaque())
    BIO_set_init(bio, 1)
    return bio
}

private struct ByteBufferBIOMethod: @unchecked Sendable {
    // Sendable: set once, before any use, and only read by OpenSSL afterwards. Never freed.
    let pointer: OpaquePointer?

    static let shared: ByteBufferBIOMethod = {
        let method = BIO_meth_new(BIO_get_new_index() | BIO_TYPE_SOURCE_SINK, "ByteBuffer")
        BIO_meth_set_read(method, readFromByteBuffer)
        BIO_meth_set_write(method, writeToByteBuffer)
        BIO_meth_set_ctrl(method, controlByteBuffer)
        return ByteBufferBIOMethod(pointer: method)
    }()
}

private func connection(of bio: OpaquePointer?) -> TLSConnection? {
    guard let data = BIO_get_data(bio) else { return nil }
    return Unmanaged<TLSConnection>.fromOpaque(data).takeUnretainedValue()
}

private let readFromByteBuffer: @convention(c) (OpaquePointer?, UnsafeMutablePointer<CChar>?, Int32) -> Int32 = {
    bio, destination, length in
    copenssl_bio_clear_retry(bio)
    guard let destination, length > 0, let connection = connection(of: bio) else { return 0 }
    let count = min(Int(length), connection.ciphertextIn.readableBytes)
    guard count > 0 else {
        copenssl_bio_set_retry_read(bio)
        return -1
    }
    connection.ciphertextIn.readWithUnsafeReadableBytes { source in
        UnsafeMutableRawPointer(destination).copyMemory(
            from: source.baseAddress ?? UnsafeRawPointer(destination), byteCount: count)
        return count
    }
    return Int32(count)
}

private let writeToByteBuffer: @convention(c) (OpaquePointer?, UnsafePointer<CChar>?, Int32) -> Int32 = {
    bio, source, length in
    copenssl_bio_clear_retry(bio)
    guard let source, length > 0, let connection = connection(of: bio) else { return 0 }
    connection.ciphertextOut.writeBytes(UnsafeRawBufferPointer(start: source, count: Int(length)))
    return length
}

private let controlByteBuffer: @convention(c) (OpaquePointer?, Int32, Int, UnsafeMutableRawPointer?) -> Int = {
    bio, command, _, _ in
    switch command {
    case BIO_CTRL_FLUSH: 1
    case BIO_CTRL_PENDING: connection(of: bio)?.ciphertextIn.readableBytes ?? 0
    default: 0
    }
}
