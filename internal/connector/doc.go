// Package connector has the rules that all connectors share, so that a key, a number or a folder looks the same in each target:
// keys as text ([KeyText], [ParseKey]), values as rows ([ToRow], [FromRow]), values as JSON ([ValueCodec]) and names from data as parts of
// a path ([Segment]).
package connector
