extension Row {
    /// Every row, in the order they run in.
    static let all: [Row] = [
        .kills, .postgres, .doubt, .standby, .clocks, .nthCall, .resources, .interleavings, .failover, .asynchronous,
        .tomorrow, .calm,
    ]
}
