package redis

import (
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/weirstreams/weir"
	"github.com/weirstreams/weir/internal/connector"
	"github.com/weirstreams/weir/row"
)

// encoder makes commands of records.
type encoder[K, V any] struct {
	options *Options[K, V]
	keyText func(K) (text string, null bool, err error)
	value   func(r *weir.Record[K, V]) ([]byte, error)
	fields  func(r *weir.Record[K, V]) (row.Row, error)
}

func newEncoder[K, V any](o *Options[K, V]) *encoder[K, V] {
	e := &encoder[K, V]{options: o, keyText: connector.KeyText[K](), value: o.Value, fields: o.Fields}
	if e.value == nil {
		e.value = valueBytes[K, V]()
	}
	if e.fields == nil {
		e.fields = valueFields[K, V]()
	}
	return e
}

// valueBytes returns the default of Options.Value.
func valueBytes[K, V any]() func(r *weir.Record[K, V]) ([]byte, error) {
	json := connector.ValueCodec[V]()
	return func(r *weir.Record[K, V]) ([]byte, error) {
		if r.ValueNull {
			return nil, nil
		}
		switch v := any(&r.Value).(type) {
		case *string:
			return append([]byte{}, *v...), nil
		case **string:
			if *v == nil {
				return nil, nil
			}
			return append([]byte{}, **v...), nil
		case *[]byte:
			return slices.Clone(*v), nil
		}
		data, err := json.Append(nil, nil, r.Value)
		if string(data) == "null" {
			return nil, err
		}
		return data, err
	}
}

// valueFields returns the default of Options.Fields.
func valueFields[K, V any]() func(r *weir.Record[K, V]) (row.Row, error) {
	toRow := connector.ToRow[V]()
	return func(r *weir.Record[K, V]) (row.Row, error) {
		if r.ValueNull {
			return row.Row{}, nil
		}
		if data, ok := any(&r.Value).(*[]byte); ok { // JSON would be base64
			if *data == nil {
				return row.Row{}, nil
			}
			return row.Row{}.With(connector.ValueColumn, string(*data)), nil
		}
		return toRow(r.Value)
	}
}

var (
	errNullKey   = errors.New("the key is null, and names the Redis value: set Options.Key or Options.Name")
	errNullValue = errors.New("the value is null")
)

// maxArguments is how many arguments a command may have: scripts of Redis cannot make longer ones.
const maxArguments = 7000

// maxFields is how many fields one HSET or HDEL has.
const maxFields = 1000

// commands returns the commands of a record. No commands mean that there is nothing to write.
func (e *encoder[K, V]) commands(r *weir.Record[K, V]) ([]Command, error) {
	if e.options.Commands != nil {
		made, err := e.options.Commands(r)
		if err != nil {
			return nil, err
		}
		kept := make([]Command, len(made))
		for i, c := range made {
			if kept[i], err = checked(c); err != nil {
				return nil, err
			}
		}
		return kept, nil
	}
	name, err := e.name(r)
	if err != nil {
		return nil, err
	}
	ttl, err := e.ttl(r)
	if err != nil {
		return nil, err
	}
	var made []Command
	switch e.options.Kind {
	case String, Set, Publish:
		made, err = e.ofValue(r, name, ttl)
	default:
		made, err = e.ofFields(r, name)
	}
	if err != nil {
		return nil, fmt.Errorf("%v %q: %w", e.options.Kind, name, err)
	}
	if removed := len(made) == 1 && made[0][0] == "DEL"; ttl > 0 && e.options.Kind != String && len(made) > 0 && !removed {
		made = append(made, Command{"PEXPIRE", name, ttl.Milliseconds()})
	}
	return made, nil
}

// name returns the name of the Redis value of a record.
func (e *encoder[K, V]) name(r *weir.Record[K, V]) (string, error) {
	switch {
	case e.options.Name != "":
		return e.options.Name, nil
	case e.options.Key != nil:
		return e.options.Key(r)
	}
	text, null, err := e.keyText(r.Key)
	switch {
	case err != nil:
		return "", fmt.Errorf("the key as a name: %w", err)
	case null || r.KeyNull:
		return "", errNullKey
	}
	return e.options.Prefix + text, nil
}

func (e *encoder[K, V]) ttl(r *weir.Record[K, V]) (time.Duration, error) {
	if e.options.TTLOf == nil {
		return e.options.TTL, nil
	}
	ttl, err := e.options.TTLOf(r)
	if err == nil && (ttl < 0 || ttl > 0 && ttl < time.Millisecond) {
		err = fmt.Errorf("the time to live is %v: Redis counts in milliseconds", ttl)
	}
	return ttl, err
}

func (e *encoder[K, V]) ofValue(r *weir.Record[K, V], name string, ttl time.Duration) ([]Command, error) {
	value, err := e.value(r)
	switch {
	case err != nil:
		return nil, err
	case e.options.Kind == String && value == nil:
		return []Command{{"DEL", name}}, nil
	case value == nil:
		return nil, errNullValue
	case e.options.Kind == Set:
		return []Command{{"SADD", name, value}}, nil
	case e.options.Kind == Publish:
		return []Command{{"PUBLISH", name, value}}, nil
	case ttl > 0:
		return []Command{{"SET", name, value, "PX", ttl.Milliseconds()}}, nil
	}
	return []Command{{"SET", name, value}}, nil
}

func (e *encoder[K, V]) ofFields(r *weir.Record[K, V], name string) ([]Command, error) {
	fields, err := e.fields(r)
	if err != nil {
		return nil, err
	}
	var set, removed []any
	for column, v := range fields.All() {
		if v.IsNull() {
			removed = append(removed, column)
			continue
		}
		text, err := fieldText(v)
		if err != nil {
			return nil, fmt.Errorf("field %q: %w", column, err)
		}
		set = append(set, column, text)
	}
	var made []Command
	add := func(verb string, args []any, most int) {
		for part := range slices.Chunk(args, most) {
			made = append(made, append(Command{verb, name}, part...))
		}
	}
	switch {
	case e.options.Kind == Stream:
		return e.entry(r, name, set)
	case fields.IsNil():
		return []Command{{"DEL", name}}, nil
	case e.options.Kind == Hash:
		made = append(made, Command{"DEL", name})
		add("HSET", set, 2*maxFields)
	default:
		add("HSET", set, 2*maxFields)
		add("HDEL", removed, maxFields)
	}
	return made, nil
}

// entry returns the command for an entry of a stream.
func (e *encoder[K, V]) entry(r *weir.Record[K, V], name string, set []any) ([]Command, error) {
	c := Command{"XADD", name}
	if e.options.MaxLength > 0 {
		c = append(c, "MAXLEN", "~", e.options.MaxLength)
	}
	c = append(c, "*")
	before := len(c)
	if field := e.options.KeyField; field != NoField && !r.KeyNull {
		text, null, err := e.keyText(r.Key)
		if err != nil {
			return nil, fmt.Errorf("the key as text: %w", err)
		}
		if !null {
			c = append(c, field, text)
		}
	}
	if field := e.options.TimeField; field != NoField {
		c = append(c, field, r.Millis)
	}
	c = append(c, set...)
	switch {
	case len(c) == before:
		return nil, errors.New("the entry has no fields")
	case len(c) > maxArguments:
		return nil, fmt.Errorf("the entry has %d fields, more than %d", (len(c)-before)/2, maxArguments/2)
	}
	return []Command{c}, nil
}

// fieldText returns a value as text: a text as it is, everything else as JSON.
func fieldText(v row.Value) (string, error) {
	if v.Kind() == row.KindString {
		return row.As[string](v)
	}
	data, err := v.MarshalJSON()
	return string(data), err
}

// refusedVerbs are commands that change the connection, wait, or are answered in another way than others.
var refusedVerbs = []string{
	"asking", "auth", "blmove", "blmpop", "blpop", "brpop", "brpoplpush", "bzmpop", "bzpopmax", "bzpopmin", "client", "discard", "exec", "hello",
	"monitor", "multi", "psubscribe", "psync", "punsubscribe", "quit", "readonly", "readwrite", "replconf", "reset", "select", "shutdown",
	"ssubscribe", "subscribe", "sunsubscribe", "sync", "unsubscribe", "unwatch", "wait", "waitaof", "watch", "xread", "xreadgroup",
}

// checked returns a copy of a command of the user, or says why it cannot be sent.
func checked(c Command) (Command, error) {
	if len(c) == 0 {
		return nil, errors.New("a command is empty")
	}
	verb, ok := c[0].(string)
	if !ok || verb == "" {
		return nil, errors.New("a command does not begin with its name, a text")
	}
	switch {
	case slices.Contains(refusedVerbs, strings.ToLower(verb)):
		return nil, fmt.Errorf("the command %q changes the connection or waits, and cannot be used in a sink", verb)
	case len(c) > maxArguments:
		return nil, fmt.Errorf("the command %q has %d arguments, more than %d", verb, len(c), maxArguments)
	}
	kept := make(Command, len(c))
	for i, a := range c {
		switch v := a.(type) {
		case []byte:
			kept[i] = slices.Clone(v)
		case string, int, int8, int16, int32, int64, uint, uint8, uint16, uint32, uint64:
			kept[i] = v
		case float32:
			kept[i] = strconv.FormatFloat(float64(v), 'g', -1, 32)
		case float64:
			kept[i] = strconv.FormatFloat(v, 'g', -1, 64)
		case bool:
			kept[i] = map[bool]string{true: "1", false: "0"}[v]
		default:
			return nil, fmt.Errorf("argument %d of the command %q is a %T: it has to be a text, bytes, a number or a boolean", i, verb, a)
		}
	}
	return kept, nil
}

// keyOf returns the first argument of a command, which names its Redis value, or "".
func keyOf(c Command) string {
	if len(c) < 2 {
		return ""
	}
	switch v := c[1].(type) {
	case string:
		return v
	case []byte:
		return string(v)
	}
	return fmt.Sprint(c[1])
}

// size returns about how many bytes a command has.
func size(c Command) int {
	n := 0
	for _, a := range c {
		switch v := a.(type) {
		case string:
			n += len(v)
		case []byte:
			n += len(v)
		default:
			n += 8
		}
	}
	return n
}
