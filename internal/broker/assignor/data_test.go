package assignor_test

import (
	"encoding/binary"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/weirstreams/weir/internal/broker"
	"github.com/weirstreams/weir/internal/broker/assignor"
)

var assignmentData = map[string]assignor.Data{
	"nothing": {},
	"everything": {
		Incomplete: true, Sizes: map[string]int32{"orders": 12, "clicks": 1 << 20}, Fingerprints: []string{"0a", "1b"},
		Owners: map[string][]broker.TopicPartition{"http://a:1": append(tps("clicks", 7), tps("orders", 0, 3)...), "http://b:1/x": tps("orders", 11)},
	},
}

func TestDataOfAnAssignmentSurvivesTheWire(t *testing.T) {
	for name, want := range assignmentData {
		t.Run(name, func(t *testing.T) {
			got, err := assignor.DecodeData(want.Encode())
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(want, got, cmpopts.EquateEmpty()); diff != "" {
				t.Error(diff)
			}
		})
	}
}

// A reader of this version skips sections of a later one, and does without those that an earlier one does not write.
func TestDataOfOtherVersionsIsReadable(t *testing.T) {
	want := assignmentData["everything"]
	wire := want.Encode()
	wire[0] = 9
	wire = binary.AppendUvarint(wire, 1000)
	wire = append(wire, 3, 'n', 'e', 'w')
	got, err := assignor.DecodeData(wire)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
	got, err = assignor.DecodeData([]byte{1, 2, 1, 1})
	if diff := cmp.Diff(assignor.Data{Incomplete: true}, got, cmpopts.EquateEmpty()); diff != "" || err != nil {
		t.Error(diff, err)
	}
}

func TestCorruptDataIsAnError(t *testing.T) {
	for _, wire := range []string{"", "\x00", "incomplete", "\x01\x01\xff\xff", "\x01\x03\x01\x05", "\x01\x01\x02\x01\x09", "\x01\x04\x03\x01\x05"} {
		if got, err := assignor.DecodeData([]byte(wire)); err == nil {
			t.Errorf("%q became %v", wire, got)
		}
	}
}

// A member of a version without endpoints, and one that has none, are assigned to like any other, and nobody learns an address of theirs.
func TestAnEndpointIsOptional(t *testing.T) {
	without := assignor.Subscription{Units: [][]string{{"a"}}, MemberID: "m", Generation: 1}
	with := without
	with.Endpoint = "http://a:1"
	if got, err := assignor.Decode(with.Encode()); err != nil || got.Endpoint != with.Endpoint {
		t.Errorf("got %q: %v", got.Endpoint, err)
	}
	if n, m := len(without.Encode()), len(with.Encode()); m != n+2+1+len(with.Endpoint) {
		t.Errorf("a subscription without an endpoint has %d bytes, and one with has %d", n, m)
	}
	var d assignor.Data
	if n := len(d.Encode()); n != len("\x01")+3*len("\x01\x01\x00") {
		t.Errorf("data without owners has %d bytes", n)
	}
}

// The first version of the subscription had no fingerprint. A member of that version is assigned to like any other.
func TestASubscriptionOfTheFirstVersionIsAssignedTo(t *testing.T) {
	old := assignor.Subscription{Units: [][]string{{"a"}}, MemberID: "old", Generation: 1}
	wire := old.Encode()
	wire = wire[:len(wire)-3] // the section of the fingerprint: tag, length, empty text
	first, err := assignor.Decode(wire)
	if err != nil {
		t.Fatal(err)
	}
	now := assignor.Subscription{Units: [][]string{{"a"}}, Generation: -1, Fingerprint: "now"}
	members := map[string]assignor.Subscription{"old": first, "new": now}
	got := assignor.Assign(members, map[string]int32{"a": 2})
	if len(got["old"]) != 1 || len(got["new"]) != 1 {
		t.Errorf("assigned %v", got)
	}
	if diff := cmp.Diff([]string{"now"}, assignor.Fingerprints(members)); diff != "" {
		t.Error(diff)
	}
}

func FuzzDecodeData(f *testing.F) {
	for _, d := range assignmentData {
		f.Add(d.Encode())
	}
	f.Fuzz(func(t *testing.T, wire []byte) {
		got, err := assignor.DecodeData(wire)
		if err != nil {
			return
		}
		again, err := assignor.DecodeData(got.Encode())
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(got, again, cmpopts.EquateEmpty()); diff != "" {
			t.Error(diff)
		}
	})
}
