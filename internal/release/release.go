package main

import (
	"bytes"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
)

// release sets the version in all go.mod files and the changelog, checks the modules, and tags them. Without do it prints the
// steps and changes nothing.
func release(root string, modules []*goModule, version string, do bool, out io.Writer) error {
	if err := releasable(root, modules, version); err != nil {
		return err
	}
	step := func(what string, f func() error) error {
		fmt.Fprintln(out, what)
		if !do {
			return nil
		}
		return f()
	}
	for _, m := range modules {
		if len(m.requires) == 0 {
			continue
		}
		if err := step(fmt.Sprintf("require %s in %s/go.mod", version, m.folder), func() error { return setVersion(root, m, version) }); err != nil {
			return err
		}
	}
	if err := step("commit the go.mod files", func() error { return commitVersion(root, version) }); err != nil {
		return err
	}
	if err := step("build programs outside the repository", func() error { return checkConsumers(root, modules, version, out) }); err != nil {
		return err
	}
	var tags []string
	for _, m := range modules {
		if !m.public() {
			continue
		}
		tags = append(tags, m.tag(version))
		if err := step("tag "+m.tag(version), func() error {
			_, err := git(root, "tag", "--annotate", "--message", m.path+" "+version, m.tag(version))
			return err
		}); err != nil {
			return err
		}
	}
	fmt.Fprintln(out, "then publish with: git push --atomic origin HEAD", strings.Join(tags, " "))
	if !do {
		fmt.Fprintln(out, "dry run: nothing was changed; -do performs the steps")
	}
	return nil
}

// releasable reports everything that keeps a version from being released.
func releasable(root string, modules []*goModule, version string) error {
	var problems []string
	status, err := git(root, "status", "--porcelain")
	if err != nil {
		return err
	}
	if status != "" {
		problems = append(problems, "there are changes that are not committed")
	}
	changelog, err := os.ReadFile(filepath.Join(root, "CHANGELOG.md"))
	if err != nil {
		return err
	}
	if heading := "## " + version; !bytes.Contains(changelog, []byte("\n"+heading+" ")) && !bytes.Contains(changelog, []byte("\n"+heading+"\n")) {
		problems = append(problems, fmt.Sprintf("CHANGELOG.md has no section %q", heading))
	}
	for _, m := range modules {
		found, err := git(root, "tag", "--list", m.tag(version))
		if err != nil {
			return err
		}
		if found != "" {
			problems = append(problems, "there is a tag "+m.tag(version)+" already")
		}
	}
	if len(problems) > 0 {
		return fmt.Errorf("%s cannot be released:\n\t%s", version, strings.Join(problems, "\n\t"))
	}
	return nil
}

// setVersion lets a module require the modules of the repository at a version.
func setVersion(root string, m *goModule, version string) error {
	for _, path := range m.requires {
		if err := m.file.AddRequire(path, version); err != nil {
			return fmt.Errorf("%s: require %s: %w", m.path, path, err)
		}
	}
	m.file.Cleanup()
	data, err := m.file.Format()
	if err != nil {
		return fmt.Errorf("%s: %w", m.path, err)
	}
	return os.WriteFile(filepath.Join(root, filepath.FromSlash(m.folder), "go.mod"), data, 0o644)
}

// commitVersion commits go.mod files. A version that they name already needs no commit.
func commitVersion(root, version string) error {
	status, err := git(root, "status", "--porcelain")
	if err != nil || status == "" {
		return err
	}
	_, err = git(root, "commit", "--all", "--message", "Release "+version)
	return err
}

// git runs a command of Git in a folder and returns its output without the white space around it.
func git(folder string, args ...string) (string, error) {
	return command(folder, nil, "git", args...)
}

// command runs a program in a folder, with additions to the environment. Its error holds the output of the program.
func command(folder string, environment []string, name string, args ...string) (string, error) {
	cmd := exec.Command(name, args...)
	cmd.Dir = folder
	cmd.Env = append(os.Environ(), environment...)
	var stdout, stderr bytes.Buffer
	cmd.Stdout, cmd.Stderr = &stdout, &stderr
	if err := cmd.Run(); err != nil {
		return "", fmt.Errorf("%s %s: %w\n%s%s", name, strings.Join(args, " "), err, stdout.String(), stderr.String())
	}
	return strings.TrimSpace(stdout.String()), nil
}
