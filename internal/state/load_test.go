package state_test

import (
	"bytes"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"github.com/cockroachdb/pebble/v2/vfs"
	"github.com/google/go-cmp/cmp"

	"github.com/weirstreams/weir/internal/longtest"
	"github.com/weirstreams/weir/internal/state"
)

// Loads between batches leave what batches alone would have left.
func TestALoadIsWorthABatchOfItsChanges(t *testing.T) {
	for _, kind := range backends {
		t.Run(kind.name, func(t *testing.T) {
			random := rand.New(rand.NewPCG(longtest.Seed(t), 0))
			b, reopen := kind.open(t)
			model := map[string]string{}
			// Keys share long prefixes, so that the first 8 bytes do not decide their order.
			key := func() string {
				return strings.Repeat("k", 1+random.IntN(9)) + fmt.Sprint(random.IntN(50))
			}
			for range 30 {
				var entries state.Entries
				changes := b.NewBatch()
				viaLoad := random.IntN(3) > 0
				for range random.IntN(200) {
					k, v := key(), strings.Repeat("v", random.IntN(20)) // an empty value is not a deletion
					if random.IntN(4) == 0 {
						delete(model, k)
						entries.Delete([]byte(k))
						if err := changes.Delete([]byte(k)); err != nil {
							t.Fatal(err)
						}
						continue
					}
					model[k] = v
					entries.Set([]byte(k), []byte(v))
					if err := changes.Set([]byte(k), []byte(v)); err != nil {
						t.Fatal(err)
					}
				}
				var err error
				switch {
				case viaLoad:
					err = b.Load(&entries)
				case random.IntN(2) == 0:
					err = changes.Commit(false)
				default:
					copied := b.NewBatch()
					if err = entries.CopyTo(copied); err == nil {
						err = copied.Commit(false)
					}
					if closeErr := copied.Close(); closeErr != nil {
						t.Fatal(closeErr)
					}
				}
				if err != nil {
					t.Fatal(err)
				}
				if err := changes.Close(); err != nil {
					t.Fatal(err)
				}
				if random.IntN(10) == 0 {
					b = reopen()
				}
			}
			got := map[string]string{}
			for _, p := range scanAll(t, b, []byte("k"), nil) {
				got[p.Key] = p.Value
			}
			if diff := cmp.Diff(model, got); diff != "" {
				t.Errorf("-want +got:\n%s", diff)
			}
		})
	}
}

func TestALoadTakesEarlierChangesToTheDiskWithIt(t *testing.T) {
	fs := vfs.NewCrashableMem()
	b := openBackend(t, newPebble(t, state.PebbleConfig{FS: fs}), "task")
	commit(t, b, false, "before", "1")
	var entries state.Entries
	entries.Set([]byte("loaded"), []byte("2"))
	if err := b.Load(&entries); err != nil {
		t.Fatal(err)
	}
	after := openBackend(t, newPebble(t, state.PebbleConfig{FS: fs.CrashClone(vfs.CrashCloneCfg{})}), "task")
	for _, key := range []string{"before", "loaded"} {
		if _, err := after.Get(nil, []byte(key)); err != nil {
			t.Errorf("%s: %v", key, err)
		}
	}
}

func TestALoadThatFailsLeavesNothingBehind(t *testing.T) {
	fs := vfs.NewMem()
	b := openBackend(t, newPebble(t, state.PebbleConfig{FS: fs}), "task")
	var entries state.Entries
	entries.Set([]byte("a"), []byte("1"))
	entries.Set([]byte{}, []byte("the empty key is refused"))
	if err := b.Load(&entries); err == nil {
		t.Fatal("the empty key was loaded")
	}
	if got := scanAll(t, b, []byte{0}, nil); len(got) > 0 {
		t.Errorf("loaded %v", got)
	}
	files, err := fs.List("task")
	if err != nil {
		t.Fatal(err)
	}
	if slices.ContainsFunc(files, func(name string) bool { return strings.HasPrefix(name, "load") }) {
		t.Errorf("files are left: %v", files)
	}
}

func TestResetEntriesAreEmpty(t *testing.T) {
	var entries state.Entries
	entries.Set([]byte("key"), bytes.Repeat([]byte("v"), 100))
	if entries.Len() != 1 || entries.Bytes() < 103 {
		t.Errorf("%d changes of %d bytes", entries.Len(), entries.Bytes())
	}
	entries.Reset()
	if entries.Len() != 0 || entries.Bytes() != 0 {
		t.Errorf("after Reset: %d changes of %d bytes", entries.Len(), entries.Bytes())
	}
}
