//go:build interop

package avro_test

import (
	"bufio"
	"bytes"
	"encoding/hex"
	"encoding/json"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/weirstreams/weir/codec"
	"github.com/weirstreams/weir/codec/avro"
)

var (
	seedFlag  = flag.Uint64("seed", 0, "the only case to try; 0 tries the fixed ones and fresh ones")
	fixedFlag = flag.Int("fixed", 1000, "how many cases have the same seed every time")
	freshFlag = flag.Int("fresh", 1000, "how many cases have a fresh seed")
)

// A difference is one case.
type difference struct {
	seed                uint64
	free                bool // the reader's schema has fields that wide does not have
	reader, writer      *node
	value, writerValue  any
	readerText, written string // the schemas
}

func newDifference(seed uint64) *difference {
	g := newGenerator(seed, seed%2 == 0)
	d := &difference{seed: seed, free: g.free}
	d.reader = g.record(reflect.TypeFor[wide](), 2)
	d.writer = g.writer(d.reader)
	if d.writer.kind == "union" { // records only
		d.writer = d.writer.branches[0]
		if d.writer.kind == "null" {
			d.writer = &node{kind: "record", name: d.reader.name}
		}
	}
	d.value = g.value(d.reader, 3, false)
	g.free = true // the generic codec writes it
	d.writerValue = g.value(d.writer, 3, false)
	d.readerText, d.written = schemaText(d.reader), schemaText(d.writer)
	return d
}

func schemaText(n *node) string {
	out, err := json.Marshal(n.text(map[string]bool{}))
	if err != nil {
		panic(err)
	}
	return string(out)
}

// An attempt is how one of Weir's codecs has written a value.
type attempt struct {
	data []byte
	err  error
}

func (a attempt) question(c map[string]any, name string) {
	if a.err == nil {
		c[name] = hex.EncodeToString(a.data)
	}
}

var valueOf = &codec.Context{Topic: "t", Part: codec.Value}

// TestBothFormsAgreeWithJava compares all ways of writing and reading: see the package's description.
func TestBothFormsAgreeWithJava(t *testing.T) {
	var seeds []uint64
	if *seedFlag != 0 {
		seeds = append(seeds, *seedFlag)
	} else {
		fresh := uint64(time.Now().UnixNano())
		for i := range *fixedFlag {
			seeds = append(seeds, uint64(i)+1)
		}
		for i := range *freshFlag {
			seeds = append(seeds, fresh+uint64(i))
		}
		t.Logf("seeds 1 to %d and %d to %d", *fixedFlag, fresh, fresh+uint64(*freshFlag)-1)
	}
	var questions bytes.Buffer
	encoder := json.NewEncoder(&questions)
	encoder.SetEscapeHTML(false)
	checks := make([]func(answer map[string]any) []string, len(seeds))
	for i, seed := range seeds {
		question, check := newDifference(seed).prepare(t)
		if err := encoder.Encode(question); err != nil {
			t.Fatal(err)
		}
		checks[i] = check
	}

	jars := os.Getenv("WEIR_INTEROP_JARS")
	if jars == "" {
		t.Fatal("WEIR_INTEROP_JARS is not set: run .ci/run interop")
	}
	java := exec.CommandContext(t.Context(), "java", "-cp", jars, "-XX:TieredStopAtLevel=1", "../clients/Difference.java")
	java.Stdin = &questions
	var problems bytes.Buffer
	java.Stderr = &problems
	out, err := java.Output()
	if err != nil {
		t.Fatalf("java: %v\n%s", err, problems.Bytes())
	}
	lines := bufio.NewScanner(bytes.NewReader(out))
	lines.Buffer(nil, 1<<26)
	failed, n := 0, 0
	for ; lines.Scan(); n++ {
		var answer map[string]any
		if err := json.Unmarshal(lines.Bytes(), &answer); err != nil {
			t.Fatal(err)
		}
		found := checks[n](answer)
		if len(found) == 0 {
			continue
		}
		if failed++; failed <= 10 {
			d := newDifference(seeds[n])
			t.Errorf("seed %d: go test -tags interop ./avro -seed %d\nreader %s\nwriter %s\n%s",
				d.seed, d.seed, d.readerText, d.written, strings.Join(found, "\n"))
		}
	}
	if n != len(seeds) {
		t.Fatalf("java has answered %d of %d questions\n%s", n, len(seeds), problems.Bytes())
	}
	if failed > 0 {
		t.Errorf("%d of %d cases differ", failed, n)
	}
}

// prepare returns the question for Java, and a function that compares the answer with Weir's and returns what differs.
func (d *difference) prepare(t *testing.T) (question map[string]any, check func(answer map[string]any) []string) {
	var found []string
	report := func(format string, args ...any) { found = append(found, fmt.Sprintf(format, args...)) }
	question = map[string]any{
		"reader": json.RawMessage(d.readerText), "writer": json.RawMessage(d.written),
		"value": forJava(d.reader, d.value), "writerValue": forJava(d.writer, d.writerValue),
	}
	failed := func(err error) func(map[string]any) []string {
		return func(answer map[string]any) []string {
			if answer["schemas"] != nil { // else Java refuses them too
				report("Weir refuses a schema: %v", err)
			}
			return found
		}
	}
	generic, err := avro.Generic(d.readerText)
	if err != nil {
		return question, failed(err)
	}
	typed, err := avro.Typed[wide](d.readerText)
	if err != nil {
		return question, failed(err)
	}
	writer, err := avro.Generic(d.written)
	if err != nil {
		return question, failed(err)
	}
	write := func(c codec.Codec[map[string]any], n *node, v any) attempt {
		data, err := c.Append(nil, valueOf, forGeneric(n, v).(map[string]any))
		return attempt{data, err}
	}
	asMap, asWriter := write(generic, d.reader, d.value), write(writer, d.writer, d.writerValue)
	asMap.question(question, "generic")
	asWriter.question(question, "writerGeneric")
	var asStruct attempt
	if !d.free {
		var v wide
		forTyped(d.reader, d.value, reflect.ValueOf(&v).Elem())
		asStruct.data, asStruct.err = typed.Append(nil, valueOf, v)
		asStruct.question(question, "typed")
	}

	return question, func(answer map[string]any) []string {
		if answer["schemas"] == nil {
			report("Java refuses a schema: %v", answer["schemasError"])
			return found
		}
		// Bytes, and what Java reads in Weir's.
		compare := func(a attempt, name, bytes, read string, n *node, v any) {
			switch want, ok := answer[bytes].(string); {
			case ok != (a.err == nil):
				report("%s: Weir writes %x, %v; Java %v, %v", name, a.data, a.err, answer[bytes], answer[bytes+"Error"])
			case !ok:
			case hasOneOrder(n, v) && hex.EncodeToString(a.data) != want:
				report("%s: Weir writes\n\t%x, Java\n\t%s", name, a.data, want)
			default:
				if diff := cmp.Diff(answer[read], answer[name]); diff != "" {
					report("%s: Java reads Weir's bytes, and not its own (-own +Weir's): %v\n%s", name, answer[name+"Error"], diff)
				}
			}
		}
		compare(asMap, "generic", "bytes", "read", d.reader, d.value)
		compare(asWriter, "writerGeneric", "writerBytes", "writerRead", d.writer, d.writerValue)
		if !d.free {
			compare(asStruct, "typed", "bytes", "read", d.reader, d.value)
		}
		// What Weir reads in Java's.
		if data, ok := answer["bytes"].(string); ok {
			d.compareReading(report, "own schema", generic, generic.TaggedUnions(), typed, data, answer["read"], nil, true)
		}
		if data, ok := answer["writerBytes"].(string); ok {
			reading, err := generic.ReadWith(d.written)
			tagged, taggedErr := generic.TaggedUnions().ReadWith(d.written)
			reading2, typedErr := typed.ReadWith(d.written)
			if err == nil && taggedErr == nil && typedErr == nil {
				d.compareReading(report, "resolution", reading, tagged, reading2, data, answer["resolved"], answer["resolvedError"], answer["compatible"] == true)
			} else if answer["compatible"] == true || err == nil || taggedErr == nil || typedErr == nil {
				report("resolution: Weir refuses the schemas: %v, %v, %v", err, taggedErr, typedErr)
			}
		}
		return found
	}
}

func (d *difference) compareReading(
	report func(string, ...any), name string, generic, tagged codec.Codec[map[string]any], typed codec.Codec[wide], wire string, want, wantErr any,
	compatible bool,
) {
	data, err := hex.DecodeString(wire)
	if err != nil {
		report("%v", err)
		return
	}
	compare := func(form string, want any, got any, err error) {
		if err != nil && !compatible {
			return // Java reads it if the types that do not fit lie in an array without items, for instance
		}
		if (err == nil) != (want != nil) {
			report("%s, %s: Weir reads with error %v, Java %v; %s", name, form, err, wantErr, wire)
		} else if err == nil {
			if diff := cmp.Diff(want, got); diff != "" {
				report("%s, %s: read %s (-Java +Weir):\n%s", name, form, wire, diff)
			}
		}
	}
	withTags, err := tagged.Decode(valueOf, data)
	compare("tagged", want, show(reflect.ValueOf(withTags)), err)
	v, err := generic.Decode(valueOf, data)
	if want != nil {
		want = untag(d.reader, want)
	}
	compare("generic", want, show(reflect.ValueOf(v)), err)
	if d.free {
		return
	}
	s, err := typed.Decode(valueOf, data)
	compare("typed", wideIntegers(want), wideIntegers(showStruct(d.reader, reflect.ValueOf(s))), err)
}
