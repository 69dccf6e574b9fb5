package testkit_test

import (
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/weirstreams/weir"
	"github.com/weirstreams/weir/codec"
	"github.com/weirstreams/weir/stream"
	"github.com/weirstreams/weir/testkit"
)

// lines is a codec whose messages hold a value per line. A message "ping" is ignored, one with "broken" fails, and with
// "down" it is not the message's fault.
type lines struct{ codec.Codec[string] }

func (lines) Split(dst []string, c *codec.Context, data []byte) ([]string, error) {
	for line := range strings.Lines(string(data)) {
		switch line = strings.TrimSuffix(line, "\n"); line {
		case "ping":
			return nil, fmt.Errorf("a heartbeat: %w", codec.ErrIgnore)
		case "broken":
			return append(dst, "left over"), codec.Failed[string](codec.Decode, c, errors.New("line is broken"))
		case "down":
			return nil, fmt.Errorf("no answer: %w", codec.ErrUnavailable)
		}
		dst = append(dst, line)
	}
	return dst, nil
}

func (lines) FormatHeaders(codec.Part) []string { return []string{"format"} }

var (
	messages = stream.NewTopic("messages", codec.String(), codec.Codec[string](lines{codec.String()}))
	single   = stream.NewTopic("single", codec.String(), codec.String())
)

func split() *stream.Topology {
	t := stream.NewTopology()
	t.From(messages).To(single)
	return t
}

func TestAMessageGivesARecordForEachOfItsValues(t *testing.T) {
	d := testkit.New(t, split(), testkit.Config{})
	in, out := d.Input(messages), d.Output(single)
	kept := []weir.Header{{Key: "trace", Value: []byte("1")}}
	in.SendRecords(testkit.Record[string, string]{
		Key: "k", Value: "a\nb\n", Time: at(5), Headers: append([]weir.Header{{Key: "format", Value: []byte("x")}}, kept...),
	})
	out.Expect(
		testkit.Record[string, string]{Key: "k", Value: "a", Time: at(5), Headers: kept},
		testkit.Record[string, string]{Key: "k", Value: "b", Time: at(5), Headers: kept},
	)
	in.SendRecords(testkit.Record[string, string]{Key: "k", ValueNull: true, Time: at(6)})
	out.Expect(testkit.Record[string, string]{Key: "k", ValueNull: true, Time: at(6)})
	in.Send("k", "", at(7))
	out.Expect()
}

func TestIgnoredMessagesAreCountedAndPassedOver(t *testing.T) {
	d := testkit.New(t, split(), testkit.Config{})
	in, out := d.Input(messages), d.Output(single)
	in.Send("k", "a\nping", at(1))
	in.Send("k", "b", at(2))
	out.ExpectValues("b")
	want := []testkit.Task{{Name: d.Tasks()[0].Name, Processed: 2, Ignored: 1}}
	if diff := cmp.Diff(want, d.Tasks()); diff != "" {
		t.Errorf("tasks (-want +got):\n%s", diff)
	}
}

func TestNothingOfABrokenMessageIsProcessed(t *testing.T) {
	d := testkit.New(t, split(), testkit.Config{Errors: weir.ErrorPolicy{Action: weir.Skip}})
	in, out := d.Input(messages), d.Output(single)
	in.Send("k", "a\nbroken", at(1))
	in.Send("k", "b", at(2))
	out.ExpectValues("b")
}

func TestADecodeErrorNamesTopicPartitionOffsetFieldAndReason(t *testing.T) {
	d := testkit.New(t, split(), testkit.Config{})
	err := d.Input(messages).TrySendBytes([]byte("k"), []byte("broken"), at(1))
	for _, want := range []string{"messages[0] at offset 0", "decode value", "as string", "line is broken"} {
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%q is missing in: %v", want, err)
		}
	}
}

func TestAnErrorThatIsNotTheRecordsFaultIsNotSkipped(t *testing.T) {
	d := testkit.New(t, split(), testkit.Config{Errors: weir.ErrorPolicy{Action: weir.Skip}})
	err := d.Input(messages).TrySendBytes([]byte("k"), []byte("down"), at(1))
	if !errors.Is(err, codec.ErrUnavailable) {
		t.Errorf("got %v, want an error that wraps ErrUnavailable", err)
	}
}
