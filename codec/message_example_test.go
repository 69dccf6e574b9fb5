package codec_test

import (
	"bytes"
	"fmt"

	"github.com/weirstreams/weir/codec"
)

// lines reads messages with a value on each line, and passes over messages that begin with a hash.
type lines struct{ codec.Codec[string] }

func (lines) Split(dst []string, _ *codec.Context, data []byte) ([]string, error) {
	if bytes.HasPrefix(data, []byte("#")) {
		return nil, codec.ErrIgnore
	}
	for line := range bytes.Lines(data) {
		dst = append(dst, string(bytes.TrimSuffix(line, []byte("\n"))))
	}
	return dst, nil
}

// A topic with this codec gives a record for each line of a message.
func ExampleSplitter() {
	var many codec.Splitter[string] = lines{codec.String()}
	values, _ := many.Split(nil, &codec.Context{}, []byte("a\nb\n"))
	fmt.Println(values)
	_, err := many.Split(nil, &codec.Context{}, []byte("# still alive"))
	fmt.Println(err)
	// Output:
	// [a b]
	// message ignored
}
