package mqtt

import (
	"bufio"
	"bytes"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestMessagesAreReadAsTheyWereWritten(t *testing.T) {
	full := Properties{ContentType: "a/b", ResponseTopic: "r", CorrelationData: []byte{0xff}, MessageExpiry: 7, Text: true, User: []Property{{"é", ""}, {"é", "2"}}}
	for _, m := range []Message{
		{Topic: "a", Payload: []byte{}},
		{Topic: "a/é", Payload: bytes.Repeat([]byte{0}, 1<<17), QoS: 1, ID: 65535, Retain: true, Duplicate: true},
		{Topic: "a", Payload: []byte("x"), QoS: 1, ID: 1, Properties: full},
	} {
		for _, v := range []Version{V5, V311} {
			if v == V311 {
				m.Properties = Properties{}
			}
			p, err := readPacket(bufio.NewReader(bytes.NewReader(m.appendTo(nil, v))))
			if err != nil || p.kind != typePublish {
				t.Fatal(p.kind, err)
			}
			got, err := parseMessage(p, v)
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(m, got); diff != "" {
				t.Errorf("version %d (-want +got):\n%s", v, diff)
			}
		}
	}
}

func TestFilters(t *testing.T) {
	for filter, want := range map[string]bool{
		"a": true, "#": true, "+": true, "a/+/b/#": true, "/": true, "+/+": true, "": false, "a/#/b": false, "a#": false, "a+": false, "\x00": false, "\xff": false,
	} {
		if got := CheckFilter(filter) == nil; got != want {
			t.Errorf("%q: %v", filter, got)
		}
	}
}

// FuzzPackets reads any bytes as packets: none makes the client panic, or take more memory than there are bytes, and a message that can be read can be
// written.
func FuzzPackets(f *testing.F) {
	m := Message{Topic: "a", Payload: []byte("x"), QoS: 1, ID: 1, Properties: Properties{User: []Property{{"a", "b"}}}}
	f.Add(m.appendTo(nil, V5), true)
	f.Add(m.appendTo(nil, V311), false)
	f.Add([]byte{0x20, 6, 0, 0, 3, 0x21, 0, 10}, true)
	f.Add([]byte{0x90, 4, 0, 1, 0, 1}, true)
	f.Add([]byte{0xe0, 1, 0x8e}, true)
	f.Fuzz(func(t *testing.T, data []byte, five bool) {
		version := V311
		if five {
			version = V5
		}
		in := bufio.NewReader(bytes.NewReader(data))
		for {
			p, err := readPacket(in)
			if err != nil {
				return
			}
			c := &Conn{config: Config{Version: version}}
			_ = c.take(p)
			_ = c.accept(p)
			m, err := parseMessage(p, version)
			if err != nil || p.kind != typePublish || m.Check(version) != nil {
				continue
			}
			again, err := readPacket(bufio.NewReader(bytes.NewReader(m.appendTo(nil, version))))
			if err != nil {
				t.Fatal(err)
			}
			got, err := parseMessage(again, version)
			if err != nil || !cmp.Equal(got, m) {
				t.Fatalf("%+v is read as %+v, %v", m, got, err)
			}
		}
	})
}
