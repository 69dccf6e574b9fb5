package runtime

import (
	"bytes"
	"encoding"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"os"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode"

	"github.com/weirstreams/weir"
	"github.com/weirstreams/weir/kafka"
)

// ConfigVariable is a field of Config that ConfigFromEnv and ConfigFromFile set.
type ConfigVariable struct {
	// Name is the name of the environment variable behind the prefix, such as CHECKPOINT_INTERVAL.
	Name string
	// Field is the path of the field, such as Checkpoint.Interval: the names of the members of the objects in a file.
	Field string
	// Kind describes values, such as "duration".
	Kind string
}

// ConfigVariables returns the fields of Config that can be text, in the order of Config. Functions, interfaces, rules of errors and accepted
// changes of the topology are not among them: a program sets those.
func ConfigVariables() []ConfigVariable {
	var all []ConfigVariable
	for _, f := range configFields(reflect.TypeFor[Config](), nil) {
		all = append(all, f.ConfigVariable)
	}
	return all
}

// ConfigFromEnv returns a configuration with the fields that environment variables name: for each the prefix and a name of ConfigVariables, as in
// SHOP_CHECKPOINT_INTERVAL=10s with the prefix "SHOP_". All other fields stay as in base. A variable that is set and empty gives the field its zero
// value. Durations are as in "1m30s", lists are separated by commas, maps are "name=value,name=value", and choices are words.
//
// The error names all variables that are wrong, and those with the prefix that are no setting; it shows no values, which may be secrets. It is a
// weir.ErrConfiguration. New checks whether the values are possible.
func ConfigFromEnv(prefix string, base Config) (Config, error) {
	if prefix == "" {
		return base, fmt.Errorf("configuration of the environment: %w: the prefix is empty", weir.ErrConfiguration)
	}
	given := map[string]string{}
	for _, variable := range os.Environ() {
		if name, value, _ := strings.Cut(variable, "="); strings.HasPrefix(name, prefix) {
			given[strings.TrimPrefix(name, prefix)] = value
		}
	}
	var problems []error
	config := reflect.ValueOf(&base).Elem()
	for _, f := range configFields(config.Type(), nil) {
		value, ok := given[f.Name]
		if !ok {
			continue
		}
		delete(given, f.Name)
		if err := f.set(config, value); err != nil {
			problems = append(problems, fmt.Errorf("%s%s: %w", prefix, f.Name, err))
		}
	}
	for _, name := range slices.Sorted(maps.Keys(given)) {
		problems = append(problems, fmt.Errorf("%s%s: there is no such setting", prefix, name))
	}
	return base, textProblems("configuration of the environment", problems)
}

// ConfigFromFile returns a configuration with the fields that a file names. The file is one JSON object; its members have the names of the fields, and
// objects stand for the structs in Config: {"Group": "orders", "Checkpoint": {"Interval": "10s"}}. Durations and choices are texts as for ConfigFromEnv,
// lists are arrays of texts, and maps objects of texts. Members that are no setting are errors. All other fields stay as in base.
//
// The error names everything that is wrong, and shows no values. It is a weir.ErrConfiguration, or that of reading the file.
func ConfigFromFile(path string, base Config) (Config, error) {
	data, err := os.ReadFile(path)
	if err != nil {
		return base, fmt.Errorf("configuration: %w", err)
	}
	what := "configuration of " + path
	var content map[string]any
	decoder := json.NewDecoder(bytes.NewReader(data))
	decoder.UseNumber()
	err = decoder.Decode(&content)
	if err == nil && (content == nil || decoder.Decode(new(any)) != io.EOF) {
		err = errors.New("null, or more behind the object")
	}
	if err != nil {
		return base, textProblems(what, []error{fmt.Errorf("not one JSON object: %w", err)})
	}
	given := map[string]any{}
	flatten("", content, given)
	var problems []error
	config := reflect.ValueOf(&base).Elem()
	for _, f := range configFields(config.Type(), nil) {
		if err := f.setMember(config, given); err != nil {
			problems = append(problems, fmt.Errorf("%s: %w", f.Field, err))
		}
	}
	for _, name := range slices.Sorted(maps.Keys(given)) {
		problems = append(problems, fmt.Errorf("%s: there is no such setting", name))
	}
	return base, textProblems(what, problems)
}

// setMember sets the field as the members of a file say, by their paths, and takes those out.
func (f *configField) setMember(config reflect.Value, given map[string]any) error {
	value, ok := given[f.Field]
	members := map[string]string{}
	text, isText := textOf(value)
	for name, value := range given {
		if inner, of := strings.CutPrefix(name, f.Field+"."); of && f.of.Kind() == reflect.Map {
			members[inner], isText = textOf(value)
			if delete(given, name); !isText {
				return errors.New("a member is no text")
			}
		}
	}
	delete(given, f.Field)
	switch {
	case len(members) > 0:
		return f.setMap(config, members)
	case !ok:
		return nil
	case !isText:
		return fmt.Errorf("not a text for: %s", f.Kind)
	default:
		return f.set(config, text)
	}
}

// textProblems returns an error with all problems, or nil.
func textProblems(what string, problems []error) error {
	if len(problems) == 0 {
		return nil
	}
	return fmt.Errorf("%s: %w: %w", what, weir.ErrConfiguration, errors.Join(problems...))
}

// flatten puts the members of objects into one map, with their paths. An empty object has no members.
func flatten(path string, content map[string]any, into map[string]any) {
	for name, value := range content {
		if object, ok := value.(map[string]any); ok {
			flatten(path+name+".", object, into)
			continue
		}
		into[path+name] = value
	}
}

// textOf returns a JSON value as the text of a variable.
func textOf(value any) (text string, ok bool) {
	switch v := value.(type) {
	case string:
		return v, true
	case json.Number:
		return v.String(), true
	case bool:
		return strconv.FormatBool(v), true
	case []any:
		texts := make([]string, len(v))
		for i := range v {
			if texts[i], ok = v[i].(string); !ok {
				return "", false
			}
		}
		return strings.Join(texts, ","), true
	default:
		return "", false
	}
}

// configField is a field of Config with the way to it.
type configField struct {
	ConfigVariable
	index []int
	of    reflect.Type
}

// configFields returns the fields of a struct that can be text, and of the structs in it.
func configFields(of reflect.Type, outer *configField) []configField {
	var fields []configField
	for i := range of.NumField() {
		f := of.Field(i)
		if !f.IsExported() {
			continue
		}
		field := configField{ConfigVariable: ConfigVariable{Name: variableName(f.Name), Field: f.Name}, index: []int{i}, of: f.Type}
		if outer != nil {
			field.Name, field.Field = outer.Name+"_"+field.Name, outer.Field+"."+field.Field
			field.index = append(slices.Clone(outer.index), i)
		}
		inner := f.Type
		if inner.Kind() == reflect.Pointer {
			inner = inner.Elem()
		}
		if field.Kind = kindOf(f.Type); field.Kind != "" {
			fields = append(fields, field)
		} else if inner.Kind() == reflect.Struct && strings.HasPrefix(inner.PkgPath(), "github.com/weirstreams/weir") {
			fields = append(fields, configFields(inner, &field)...)
		}
	}
	return fields
}

// variableName returns the name of a field in capitals, its words apart.
func variableName(field string) string {
	field = strings.NewReplacer("OAuth", "Oauth", "PEM", "Pem", "JWT", "Jwt").Replace(field)
	runes := []rune(field)
	var b strings.Builder
	for i, r := range runes {
		begins := i > 0 && unicode.IsUpper(r) && (unicode.IsLower(runes[i-1]) || i+1 < len(runes) && unicode.IsLower(runes[i+1]))
		if begins {
			b.WriteByte('_')
		}
		b.WriteRune(unicode.ToUpper(r))
	}
	return b.String()
}

// choices are the words for the values of types with few of them.
var choices = map[reflect.Type]map[string]int64{
	reflect.TypeFor[Guarantee]():         {"at_least_once": int64(AtLeastOnce), "exactly_once": int64(ExactlyOnce)},
	reflect.TypeFor[LostInput]():         {"fails": int64(LostInputFails), "continues": int64(LostInputContinues), "resets": int64(LostInputResets)},
	reflect.TypeFor[Spans]():             {"records": int64(RecordSpans), "batches": int64(BatchSpans)},
	reflect.TypeFor[kafka.OffsetReset](): {"earliest": int64(kafka.Earliest), "latest": int64(kafka.Latest), "none": int64(kafka.NoReset)},
	reflect.TypeFor[weir.ErrorAction]():  {"fail": int64(weir.Fail), "skip": int64(weir.Skip), "dead_letter": int64(weir.DeadLetter)},
}

// words returns the words of a type with few values, in the order of the values.
func words(of reflect.Type) []string {
	all := choices[of]
	return slices.SortedFunc(maps.Keys(all), func(a, b string) int { return int(all[a] - all[b]) })
}

// kindOf describes the texts of a type, and returns "" if it has none.
func kindOf(of reflect.Type) string {
	switch {
	case choices[of] != nil:
		return strings.Join(words(of), ", ")
	case of == reflect.TypeFor[time.Duration]():
		return "duration"
	case reflect.PointerTo(of).Implements(reflect.TypeFor[encoding.TextUnmarshaler]()):
		return "secret"
	}
	switch of.Kind() {
	case reflect.String:
		return "text"
	case reflect.Bool:
		return "true or false"
	case reflect.Int, reflect.Int16, reflect.Int32, reflect.Int64:
		return "whole number"
	case reflect.Float64:
		return "number"
	case reflect.Slice:
		if kindOf(of.Elem()) == "text" {
			return "list"
		}
	case reflect.Map:
		if of.Key().Kind() == reflect.String && kindOf(of.Elem()) != "" {
			return "map to " + kindOf(of.Elem())
		}
	default:
	}
	return ""
}

// value returns the field in a Config. The structs on the way that are pointers are replaced, as the caller may use the old ones elsewhere.
func (f *configField) value(config reflect.Value) reflect.Value {
	for _, i := range f.index {
		if config.Kind() == reflect.Pointer {
			own := reflect.New(config.Type().Elem())
			if !config.IsNil() {
				own.Elem().Set(config.Elem())
			}
			config.Set(own)
			config = own.Elem()
		}
		config = config.Field(i)
	}
	return config
}

// set reads the text of the field. Its error does not show the text.
func (f *configField) set(config reflect.Value, text string) error {
	if f.of.Kind() != reflect.Map {
		return setText(f.value(config), text)
	}
	members := map[string]string{}
	if text == "" {
		f.value(config).SetZero()
		return nil
	}
	for pair := range strings.SplitSeq(text, ",") {
		name, value, ok := strings.Cut(pair, "=")
		if !ok {
			return errors.New(`not "name=value,name=value"`)
		}
		members[strings.TrimSpace(name)] = strings.TrimSpace(value)
	}
	return f.setMap(config, members)
}

func (f *configField) setMap(config reflect.Value, members map[string]string) error {
	all := reflect.MakeMap(f.of)
	for _, name := range slices.Sorted(maps.Keys(members)) {
		value := reflect.New(f.of.Elem()).Elem()
		if err := setText(value, members[name]); err != nil {
			return fmt.Errorf("a member: %w", err)
		}
		all.SetMapIndex(reflect.ValueOf(name).Convert(f.of.Key()), value)
	}
	f.value(config).Set(all)
	return nil
}

// setText reads the text of a value that is no map. Its error does not show the text.
func setText(to reflect.Value, text string) error {
	of := to.Type()
	if text == "" {
		to.SetZero()
		return nil
	}
	if all := choices[of]; all != nil {
		value, ok := all[text]
		if !ok {
			return fmt.Errorf("not one of %s", strings.Join(words(of), ", "))
		}
		to.SetInt(value)
		return nil
	}
	if u, ok := to.Addr().Interface().(encoding.TextUnmarshaler); ok {
		return u.UnmarshalText([]byte(text))
	}
	var err error
	switch kind := kindOf(of); kind {
	case "text":
		to.SetString(text)
	case "duration":
		var d time.Duration
		if d, err = time.ParseDuration(text); err != nil {
			return errors.New(`not a duration such as "1m30s"`)
		}
		to.SetInt(int64(d))
	case "true or false":
		var b bool
		if b, err = strconv.ParseBool(text); err != nil {
			return errors.New("not true or false")
		}
		to.SetBool(b)
	case "whole number":
		var n int64
		if n, err = strconv.ParseInt(text, 10, of.Bits()); err != nil {
			return errors.New("not a whole number, or too large")
		}
		to.SetInt(n)
	case "number":
		var n float64
		if n, err = strconv.ParseFloat(text, 64); err != nil {
			return errors.New("not a number")
		}
		to.SetFloat(n)
	case "list":
		var list []string
		for item := range strings.SplitSeq(text, ",") {
			list = append(list, strings.TrimSpace(item))
		}
		to.Set(reflect.ValueOf(list).Convert(of))
	default:
		return errors.New("cannot be text")
	}
	return nil
}
