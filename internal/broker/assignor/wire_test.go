package assignor_test

import (
	"encoding/binary"
	"fmt"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/weirstreams/weir/internal/broker/assignor"
)

var subscriptions = map[string]assignor.Subscription{
	"nothing": {Generation: -1},
	"a new member": {
		Units: [][]string{{"orders", "payments"}, {"clicks"}}, Generation: -1,
		Warm: tps("orders", 0, 1, 77, 4095),
	},
	"an owner": {
		Units: [][]string{{"b", "a"}}, MemberID: "weir-4f2c", Generation: 1 << 30,
		Owned: append(tps("a", 0, 5), tps("gone", 1<<31-1)...), Warm: tps("b", 1), Known: 300, Fingerprint: "3f",
	},
}

func TestASubscriptionSurvivesTheWire(t *testing.T) {
	for name, want := range subscriptions {
		t.Run(name, func(t *testing.T) {
			got, err := assignor.Decode(want.Encode())
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(want, got, cmpopts.EquateEmpty()); diff != "" {
				t.Error(diff)
			}
		})
	}
}

func TestALaterVersionOfASubscriptionIsReadable(t *testing.T) {
	want := subscriptions["an owner"]
	wire := want.Encode()
	wire[0] = 9
	wire = binary.AppendUvarint(wire, 1000)
	wire = append(wire, 3, 'n', 'e', 'w')
	got, err := assignor.Decode(wire)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
}

func TestACorruptSubscriptionIsAnError(t *testing.T) {
	wire := subscriptions["an owner"].Encode()
	for n := range len(wire) {
		if got, err := assignor.Decode(wire[:n]); err == nil && cmp.Equal(got, subscriptions["an owner"]) {
			t.Errorf("the first %d of %d bytes are the whole", n, len(wire))
		}
	}
	for _, wire := range []string{"", "\x00", "garbage", "\x01\x01\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01", "\x01\x02\x03\x01\x01\x05"} {
		if got, err := assignor.Decode([]byte(wire)); err == nil {
			t.Errorf("%q became %v", wire, got)
		}
	}
}

func TestASubscriptionIsCompact(t *testing.T) {
	s := assignor.Subscription{MemberID: fmt.Sprintf("weir-%036d", 0), Generation: 1000}
	for i := range 10 {
		topic := fmt.Sprintf("a-topic-with-a-usual-name-%d", i)
		s.Units = append(s.Units, []string{topic})
		for n := range int32(100) {
			s.Owned = append(s.Owned, tps(topic, n)...)
			s.Warm = append(s.Warm, tps(topic, n)...)
		}
	}
	if size := len(s.Encode()); size > 2500 {
		t.Errorf("1000 partitions, owned and warm, of 10 topics take %d bytes", size)
	}
}

func FuzzDecode(f *testing.F) {
	for _, s := range subscriptions {
		f.Add(s.Encode())
	}
	f.Fuzz(func(t *testing.T, wire []byte) {
		got, err := assignor.Decode(wire)
		if err != nil {
			return
		}
		again, err := assignor.Decode(got.Encode())
		if err != nil {
			t.Fatal(err)
		}
		if len(got.Units) != len(again.Units) || got.Generation != again.Generation || got.MemberID != again.MemberID {
			t.Errorf("%v became %v", got, again)
		}
		got.MemberID = "m"
		assignor.Assign(map[string]assignor.Subscription{"m": got, "n": again}, map[string]int32{"a": 3, "orders": 2})
	})
}
