//go:build race

package wire

// poison overwrites memory that was given back. It does so under the race detector, and all tests are run with it: a later read
// of the memory reads rubbish, and is found.
func poison(buffer []byte) {
	for i := range buffer {
		buffer[i] = 0xdb
	}
}
