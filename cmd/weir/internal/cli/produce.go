package cli

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/weirstreams/weir"
	"github.com/weirstreams/weir/codec"
	"github.com/weirstreams/weir/kafka"
)

// recordLine is a record as a line of JSON: the output of topic tail and the input of topic produce.
type recordLine struct {
	Topic     string            `json:"topic,omitempty"`
	Partition *int32            `json:"partition,omitempty"`
	Offset    *int64            `json:"offset,omitempty"`
	Time      *time.Time        `json:"time,omitempty"`
	Key       json.RawMessage   `json:"key"`
	Value     json.RawMessage   `json:"value"`
	Headers   map[string]string `json:"headers,omitempty"`
	// Error is why key or value do not decode; they are base64 then.
	Error string `json:"error,omitempty"`
}

func (s *Session) topicProduceCommand() *cobra.Command {
	var (
		input, separator string
		headers          map[string]string
		codecs           *codecFlags
	)
	command := &cobra.Command{
		Use:   "produce TOPIC",
		Short: "Write the lines of the standard input as records",
		Long: `Write the lines of the standard input as records, to the partition of their keys.

A line is a value, or with --separator a key, the separator and a value. With --input json a line is an object with the members
key, value, headers, time (as 2026-03-01T12:00:00Z) and partition, all of them optional: the lines that "topic tail --output json" writes. An empty line of
text is an empty value; nothing but null in JSON is a null.

The command ends with the input, when all records are acknowledged. A line that does not encode ends it with the number of the line; the lines before
it are written.`,
		Example: fmt.Sprintf(`  echo 'to be or not to be' | %s topic produce lines
  printf 'ACME=101\n' | %[1]s topic produce prices --separator = --value float64
  printf '{"key": "a", "value": {"n": 1}, "headers": {"from": "test"}}\n' | %[1]s topic produce orders --input json --value json
  %[1]s topic tail orders --from beginning --output json | %[1]s topic produce copy --input json`, s.Name),
		Args: cobra.ExactArgs(1),
		RunE: func(command *cobra.Command, args []string) (err error) {
			if input != "text" && input != "json" {
				return Usagef("--input %q: it is text or json", input)
			}
			if input == "json" && separator != "" {
				return Usagef("--separator is for --input text")
			}
			keys, values, err := s.openCodecs(codecs)
			if err != nil {
				return err
			}
			config, err := s.kafkaConfig()
			if err != nil {
				return err
			}
			producer, err := kafka.NewProducer(command.Context(), config, kafka.ProducerOptions{})
			if err != nil {
				return err
			}
			defer func() { err = errors.Join(err, producer.Close()) }()
			p := &lineProducer{
				topic: args[0], name: config.Prefix + args[0], keys: keys, values: values,
				headers: headers, producer: producer, progress: s.progress("records written", 0),
			}
			if input == "json" {
				p.parse = parseJSON
			} else {
				p.parse = func(line []byte) (*recordLine, error) { return parseText(line, separator, keys, values) }
			}
			n, err := p.run(command.Context(), bufio.NewReaderSize(s.In, 1<<16))
			p.progress.end()
			if err != nil {
				return err
			}
			if s.json {
				return s.PrintJSON(map[string]any{"topic": p.name, "records": n})
			}
			_, err = fmt.Fprintf(s.Out, "%s written to %s\n", count(n, "record"), p.name)
			return err
		},
	}
	codecs = s.codecFlags(command)
	command.Flags().StringVar(&input, "input", "text", "text, or json for an object in each line")
	command.Flags().StringVar(&separator, "separator", "", "text between key and value of a line; without it keys are null")
	command.Flags().StringToStringVar(&headers, "header", nil, "header of each record, as name=value")
	s.connects(command)
	return command
}

// lineProducer writes lines as records.
type lineProducer struct {
	topic, name  string // without and with the prefix
	keys, values Codec
	headers      map[string]string
	parse        func(line []byte) (*recordLine, error)
	producer     *kafka.Producer
	progress     *progress
}

// run returns the number of records that are acknowledged. Lines of a pipe that waits are written before the next ones come.
func (p *lineProducer) run(ctx context.Context, in *bufio.Reader) (n int64, err error) {
	for {
		line, end := in.ReadBytes('\n')
		if len(line) > 0 {
			if err := p.send(ctx, bytes.TrimRight(line, "\r\n")); err != nil {
				return n, errors.Join(fmt.Errorf("line %d: %w", n+1, err), p.producer.Flush(ctx))
			}
			n++
			p.progress.update(n)
		}
		if end == nil && in.Buffered() == 0 { // the next line may be long in coming
			if err := p.producer.Flush(ctx); err != nil {
				return n, err
			}
		}
		if end != nil {
			err = p.producer.Flush(ctx)
			if !errors.Is(end, io.EOF) {
				err = errors.Join(fmt.Errorf("read the standard input: %w", end), err)
			}
			return n, err
		}
	}
}

func (p *lineProducer) send(ctx context.Context, line []byte) error {
	parsed, err := p.parse(line)
	if err != nil {
		return err
	}
	if parsed.Error != "" {
		return fmt.Errorf("the record did not decode (%s), so its bytes are not known here: read it with --key base64 --value base64", parsed.Error)
	}
	m := &kafka.Message{Origin: weir.Origin{Topic: p.topic, Partition: -1}}
	if parsed.Partition != nil {
		m.Partition = *parsed.Partition
	}
	if parsed.Time != nil {
		m.Time = *parsed.Time
	}
	all := maps.Clone(p.headers)
	if all == nil {
		all = map[string]string{}
	}
	maps.Copy(all, parsed.Headers)
	for _, name := range slices.Sorted(maps.Keys(all)) {
		m.Headers = append(m.Headers, weir.Header{Key: name, Value: []byte(all[name])})
	}
	context := &codec.Context{Topic: p.name, Part: codec.Key, Headers: m.Headers}
	if m.Key, err = encode(p.keys, context, parsed.Key); err != nil {
		return fmt.Errorf("key: %w", err)
	}
	context.Part = codec.Value
	if m.Value, err = encode(p.values, context, parsed.Value); err != nil {
		return fmt.Errorf("value: %w", err)
	}
	m.Headers = context.Headers
	return p.producer.SendMessage(ctx, m)
}

func parseJSON(line []byte) (*recordLine, error) {
	parsed := &recordLine{}
	decoder := json.NewDecoder(bytes.NewReader(line))
	decoder.DisallowUnknownFields()
	if err := decoder.Decode(parsed); err != nil {
		return nil, fmt.Errorf("no record as JSON: %w", err)
	}
	return parsed, nil
}

func parseText(line []byte, separator string, keys, values Codec) (*recordLine, error) {
	parsed := &recordLine{}
	value := string(line)
	if separator != "" {
		key, rest, ok := strings.Cut(value, separator)
		if !ok {
			return nil, fmt.Errorf("no separator %q", separator)
		}
		parsed.Key, value = literal(keys, key), rest
	}
	parsed.Value = literal(values, value)
	return parsed, nil
}

// literal returns a text that people type as JSON.
func literal(c Codec, text string) json.RawMessage {
	if !c.Quotes() {
		return json.RawMessage(text)
	}
	quoted, err := json.Marshal(text)
	if err != nil {
		panic(err) // strings always have JSON
	}
	return quoted
}
