package operatortest

import (
	"testing"

	"github.com/weirstreams/weir/internal/state"
)

// Flush writes the changes of stores to a database, as a checkpoint does.
func Flush(t *testing.T, backend state.Backend, stores []state.Store) {
	t.Helper()
	for _, s := range stores {
		b := backend.NewBatch()
		err := s.Flush(func(key, value []byte) error {
			key = append([]byte(s.Name()+"\x00"), key...)
			if value == nil {
				return b.Delete(key)
			}
			return b.Set(key, value)
		})
		if err != nil {
			t.Fatal(err)
		}
		if err := b.Commit(false); err != nil {
			t.Fatal(err)
		}
		s.Committed()
	}
}
