package jsonschema

import (
	"errors"
	"strings"

	"github.com/santhosh-tekuri/jsonschema/v6"
	"golang.org/x/text/language"
	"golang.org/x/text/message"
)

// Invalid says that a JSON text is not valid by the schema.
type Invalid struct {
	// Findings are everything that is wrong, each with the place in the text as a JSON pointer.
	Findings []Finding
}

// Finding is one thing that is wrong.
type Finding struct {
	// At is the JSON pointer of the value; it is empty for the whole text.
	At string
	// Reason describes the violation.
	Reason string
}

// Error lists all findings in one line.
func (e *Invalid) Error() string {
	var b strings.Builder
	b.WriteString("not valid by the schema: ")
	for i, f := range e.Findings {
		if i > 0 {
			b.WriteString("; ")
		}
		if f.At != "" {
			b.WriteString("at " + f.At + ": ")
		}
		b.WriteString(f.Reason)
	}
	return b.String()
}

var english = message.NewPrinter(language.English)

// plain turns the library's tree of errors into a list.
func plain(err error) error {
	if err == nil {
		return nil
	}
	tree, ok := errors.AsType[*jsonschema.ValidationError](err)
	if !ok {
		return err
	}
	invalid := &Invalid{}
	invalid.add(tree)
	return invalid
}

func (e *Invalid) add(tree *jsonschema.ValidationError) {
	if len(tree.Causes) == 0 {
		at := ""
		for _, step := range tree.InstanceLocation {
			at += "/" + strings.NewReplacer("~", "~0", "/", "~1").Replace(step)
		}
		e.Findings = append(e.Findings, Finding{at, tree.ErrorKind.LocalizedString(english)})
		return
	}
	for _, cause := range tree.Causes {
		e.add(cause)
	}
}
