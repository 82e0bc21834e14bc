// JSON: RFC 8259 text, read strictly with positions and written without surprises.
//
// `StrictJSON` reads whole documents for cold paths (genesis files, proof bundles, submissions in JSON): every value keeps its line and column,
// duplicate members, lone surrogates, a byte-order mark and nesting above 32 are refused. `JSONWriter` appends compact text to a byte array for
// answers; it allocates only to grow the array. `EventProfile` checks event bodies at admission with simdjson, behind `CSimdJSON`, by the rules of
// `StrictJSON` and those of the profile.
//
// Sources: RFC 8259; API specification, section 8.
