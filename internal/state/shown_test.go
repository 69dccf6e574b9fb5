package state_test

import (
	"encoding/binary"
	"errors"
	"fmt"
	"strings"
	"testing"

	gocmp "github.com/google/go-cmp/cmp"

	"github.com/weirstreams/weir/codec"
	"github.com/weirstreams/weir/internal/state"
)

// failingSometimes is a codec that encodes nothing, so that a flush fails, unless it is told to.
type failingSometimes struct{ encodes bool }

func (f *failingSometimes) Append(dst []byte, _ *codec.Context, v int) ([]byte, error) {
	if f.encodes {
		return binary.AppendVarint(dst, int64(v)), nil
	}
	return nil, errors.New("bad luck")
}

func (f *failingSometimes) Decode(*codec.Context, []byte) (int, error) {
	return 0, errors.New("bad luck")
}

// Errors about state show the key of the record as its codec reads it, also where the row of the changelog has more than the key.
func TestErrorsShowTheKeysOfRecords(t *testing.T) {
	key, _ := codec.For[int64]().Append(nil, &codec.Context{}, 4711)
	for name, open := range map[string]func(space state.Space, c codec.Codec[int]) (store state.Store, put func() error){
		"cell": func(space state.Space, c codec.Codec[int]) (state.Store, func() error) {
			s := state.NewCell[int]("s").WithCodec(c).Open(space)
			return s, func() error { err := s.Enter(key, 1); s.Set(7); return err }
		},
		"map": func(space state.Space, c codec.Codec[int]) (state.Store, func() error) {
			s := state.NewMap[string, int]("s").WithCodecs(codec.String(), c).Open(space)
			return s, func() error { err := s.Enter(key, 1); s.Set("f", 7); return err }
		},
		"timestamped": func(space state.Space, c codec.Codec[int]) (state.Store, func() error) {
			s := state.OpenTimestamped(space, c, state.TimestampedOptions{})
			return s, func() error {
				err := s.Place(key)
				seven := 7
				_, put := s.Put(5, &seven)
				return errors.Join(err, put)
			}
		},
		"windowed": func(space state.Space, c codec.Codec[int]) (state.Store, func() error) {
			s := state.OpenWindowed(space, c, state.WindowedOptions[int]{})
			return s, func() error {
				_, err := s.Place(key)
				s.Update(5, 5)
				return err
			}
		},
	} {
		t.Run(name, func(t *testing.T) {
			space := state.Space{Name: "s", Backend: state.NewMemory(), CacheBytes: 1 << 20, ShowKey: func(encoded []byte) string {
				n, err := codec.For[int64]().Decode(&codec.Context{}, encoded)
				if err != nil {
					t.Errorf("%q: %v", encoded, err)
				}
				return state.Show(n)
			}}
			want := "4711"
			if name == "map" {
				want = `4711 field "f"`
			}
			c := &failingSometimes{}
			store, put := open(space, c)
			if err := put(); err != nil {
				t.Fatal(err)
			}
			if err := store.Flush(func(_, _ []byte) error { return nil }); err == nil || !strings.Contains(err.Error(), "of key "+want+": bad luck") {
				t.Errorf("a state that cannot be encoded: %v", err)
			}
			c.encodes = true
			store, put = open(space, c)
			if err := put(); err != nil {
				t.Fatal(err)
			}
			var shown []string
			err := store.Flush(func(k, _ []byte) error {
				if text := store.(interface{ ShowKey([]byte) string }).ShowKey(k); !strings.HasPrefix(text, `"`) { // not a row of the store
					shown = append(shown, text)
				}
				return nil
			})
			if err != nil {
				t.Fatal(err)
			}
			if diff := gocmp.Diff([]string{want}, shown); diff != "" {
				t.Errorf("rows (-want +got):\n%s", diff)
			}
		})
	}
}

func TestKeysInErrorsAreShort(t *testing.T) {
	type name string
	text := "text"
	for _, c := range []struct {
		key  any
		want string
	}{
		{"a \"b\"", `"a \"b\""`},
		{name("n"), `"n"`},
		{&text, `"text"`},
		{[]byte{0, 1}, `"\x00\x01"`},
		{42, "42"},
		{struct{ A, B int }{1, 2}, "{1 2}"},
		{(*string)(nil), "<nil>"},
		{nil, "null"},
		{strings.Repeat("ä", 80), `"` + strings.Repeat("ä", 50) + `"...`},
		{make([]int, 200), fmt.Sprint(make([]int, 200))[:100] + "..."},
	} {
		if got := state.Show(c.key); got != c.want {
			t.Errorf("%#v is shown as %s, want %s", c.key, got, c.want)
		}
	}
}
