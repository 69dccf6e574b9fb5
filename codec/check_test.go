package codec_test

import (
	"encoding/hex"
	"net/netip"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"github.com/weirstreams/weir/codec"
)

// text returns s as the hexadecimal that encodesAs takes.
func text(s string) string { return hex.EncodeToString([]byte(s)) }

// encodesAs checks that v and the wire bytes (in hexadecimal) become each other, that Append appends, and that the
// decoded value survives the reuse of the input.
func encodesAs[T any](t *testing.T, cd codec.Codec[T], v T, wire string) {
	t.Helper()
	c := &codec.Context{Topic: "t", Part: codec.Value}
	got, err := cd.Append([]byte("before"), c, v)
	if err != nil {
		t.Fatal(err)
	}
	if want := text("before") + wire; hex.EncodeToString(got) != want {
		t.Errorf("Append: got %x, want %s", got, want)
	}
	input, err := hex.DecodeString(wire)
	if err != nil {
		t.Fatal(err)
	}
	back, err := cd.Decode(c, input)
	if err != nil {
		t.Fatal(err)
	}
	for i := range input {
		input[i] = '#'
	}
	if diff := cmp.Diff(v, back, cmpopts.EquateComparable(netip.Addr{})); diff != "" {
		t.Errorf("Decode, after the input was overwritten (-want +got):\n%s", diff)
	}
}

// nulls checks that the codec takes null, and only null, for a null.
func nulls[T any](t *testing.T, cd codec.Codec[T], null, other T) {
	t.Helper()
	n, ok := cd.(codec.Nuller[T])
	if !ok {
		t.Errorf("the codec of %T is not a Nuller", other)
		return
	}
	if !n.IsNull(null) {
		t.Errorf("%T: nil is not null", other)
	}
	if n.IsNull(other) {
		t.Errorf("%T: an empty value is null", other)
	}
}

func wantError(t *testing.T, err error, want string) {
	t.Helper()
	if err == nil || err.Error() != want {
		t.Errorf("got error\n\t%v\nwant\n\t%v", err, want)
	}
}
