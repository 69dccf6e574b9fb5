package stores

import (
	"errors"
	"log/slog"
	"testing"

	"github.com/weirstreams/weir/internal/engine/changelog"
	"github.com/weirstreams/weir/internal/engine/database"
	"github.com/weirstreams/weir/internal/graph"
	"github.com/weirstreams/weir/internal/state"
)

// A restore without committed offsets takes changes that may not count. If it does not come to its end, the next one begins with nothing.
func TestARestoreWithoutCommittedOffsetsLeavesItsDatabaseInDoubt(t *testing.T) {
	for _, doubt := range []bool{true, false} {
		for _, asTable := range []bool{true, false} {
			backend := state.NewMemory()
			d, err := database.Open(backend)
			if err != nil {
				t.Fatal(err)
			}
			prefix, err := d.Prefix("store")
			if err != nil {
				t.Fatal(err)
			}
			set := New(Config{Task: "task", Logger: slog.New(slog.DiscardHandler)})
			set.db, set.logged = d, []Store{{Store: graph.Store{Name: "store"}, prefix: prefix}}
			r := &restore{store: &set.logged[0], end: 10, position: 3, filter: changelog.Filter{}, skipped: map[string]struct{}{}, doubt: doubt}
			row := append(append([]byte(nil), prefix...), "key"...)
			r.entries.Set(row, []byte("value"))
			least := 1000
			if asTable {
				least = 1
			}
			if err := r.write(d, least); err != nil {
				t.Fatal(err)
			}
			if err := set.dropDoubtful(); err != nil { // as the next opening does
				t.Fatal(err)
			}
			_, err = backend.Get(nil, row)
			_, known, offsetErr := d.Offset(database.ChangelogOffset, "store")
			if gone := errors.Is(err, state.ErrNotFound); gone != doubt || known == doubt || offsetErr != nil {
				t.Errorf("in doubt: %v, as a table: %v: the row is gone: %v, the position is there: %v, %v", doubt, asTable, gone, known, offsetErr)
			}
			if err := set.dropDoubtful(); err != nil {
				t.Fatal(err)
			}
			if err := d.Backend.Close(); err != nil {
				t.Fatal(err)
			}
		}
	}
}
