// Ambient
