extension Row {
    /// Every row, in the order they run in.
    static let all: [Row] = [.kills, .clocks, .nthCall, .resources, .interleavings, .failover, .asynchronous]
}
