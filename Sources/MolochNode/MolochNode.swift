// MolochNode
