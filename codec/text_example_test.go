package codec_test

import (
	"fmt"

	"golang.org/x/text/encoding/charmap"

	"github.com/weirstreams/weir/codec"
)

func ExampleText() {
	latin1 := codec.Text(charmap.ISO8859_1)
	wire, _ := latin1.Append(nil, &codec.Context{}, "é")
	fmt.Printf("%x\n", wire)

	_, err := latin1.Append(nil, &codec.Context{Topic: "names", Part: codec.Value}, "日本")
	fmt.Println(err)
	// Output:
	// e9
	// encode value of topic "names" as string: encoding: rune not supported by encoding.
}

func ExampleUTF8() {
	_, err := codec.UTF8().Decode(&codec.Context{Topic: "names", Part: codec.Value}, []byte("ab\xff"))
	fmt.Println(err)
	// Output: decode value of topic "names" as string: text is not valid UTF-8 at byte 2
}
