// Mempool
