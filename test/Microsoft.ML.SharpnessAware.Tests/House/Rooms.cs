using System.Text.RegularExpressions;

namespace Microsoft.ML.SharpnessAware.Tests;

/// <summary>The folders of source code ("rooms") and who names whom: read from the source, so that nobody has to remember it.</summary>
internal sealed partial class Rooms
{
    private readonly Dictionary<string, string> _roomOfType = [];
    private readonly Dictionary<(string From, string To), (string File, string Type, string DeclaredIn)> _arrows = [];

    /// <param name="packages">The folder of each package, in any order. A room is named "package/folder/subfolder".</param>
    public Rooms(params IEnumerable<string> packages)
    {
        List<(string Room, string Path, string Code)> files =
        [
            .. from package in packages
               from path in Directory.EnumerateFiles(package, "*.cs", SearchOption.AllDirectories)
               let relative = Path.GetRelativePath(package, path)
               where !relative.Split(Path.DirectorySeparatorChar).Any(part => part is "bin" or "obj")
               let room = Path.Combine(Path.GetFileName(package), Path.GetDirectoryName(relative)!).Replace('\\', '/').TrimEnd('/')
               select (room, path, WithoutTexts(File.ReadAllText(path))),
        ];
        Dictionary<string, string> declaredIn = [];
        foreach ((string room, string path, string code) in files)
        {
            foreach (Match type in DeclaredType().Matches(code))
                (_roomOfType[type.Groups["name"].Value], declaredIn[type.Groups["name"].Value]) = (room, path);
        }

        foreach ((string room, string path, string code) in files)
        {
            foreach (string name in Name().Matches(code).Select(match => match.Value).Distinct())
            {
                if (_roomOfType.TryGetValue(name, out string? other) && other != room)
                    _arrows.TryAdd((room, other), (path, name, declaredIn[name]));
            }
        }

        AddExtensionMethods(files);
    }

    public IEnumerable<(string From, string To)> Arrows => _arrows.Keys;

    public IEnumerable<string> Names => _roomOfType.Values.Distinct();

    /// <summary>The two files of an arrow: who names, and what is named.</summary>
    public string Describe((string From, string To) arrow)
    {
        (string file, string type, string declaredIn) = _arrows[arrow];
        return $"{arrow.From} → {arrow.To}: {Path.GetFileName(file)} names {type} of {Path.GetFileName(declaredIn)}";
    }

    /// <summary>An arrow for each two rooms that lead to each other, directly or by others.</summary>
    public IEnumerable<(string From, string To)> ArrowsInCircles()
    {
        ILookup<string, string> next = Arrows.ToLookup(arrow => arrow.From, arrow => arrow.To);
        return Arrows.Where(arrow => Reaches(arrow.To, arrow.From));

        bool Reaches(string from, string to)
        {
            HashSet<string> seen = [from];
            Queue<string> left = new([from]);
            while (left.TryDequeue(out string? room))
            {
                if (room == to)
                    return true;
                foreach (string other in next[room].Where(seen.Add))
                    left.Enqueue(other);
            }
            return false;
        }
    }

    // A call of an extension method names no type. Names that ordinary methods have as well are left out: a call may be of either.
    private void AddExtensionMethods(IReadOnlyCollection<(string Room, string Path, string Code)> files)
    {
        HashSet<string> ordinary = [.. files.SelectMany(file => OrdinaryMethod().Matches(file.Code))
            .Select(match => match.Groups["name"].Value)];
        var extensions =
            from file in files
            from name in ExtensionMethod().Matches(file.Code).Select(match => match.Groups["name"].Value).Distinct()
            where !ordinary.Contains(name)
            select (Name: name, file.Room, file.Path);
        foreach ((string name, string room, string path) in extensions)
        {
            foreach ((string from, string caller, string code) in files)
            {
                if (from != room && Regex.IsMatch(code, $@"\.{name}[(<]"))
                    _arrows.TryAdd((from, room), (caller, name, path));
            }
        }
    }

    // What a comment or a text says is no dependency.
    private static string WithoutTexts(string code) => CommentOrText().Replace(code, match => match.Value[0] == '/' ? "" : "\"\"");

    [GeneratedRegex("""//[^\n]*|/\*.*?\*/|\"{3}.*?\"{3}|@"(?:""|[^"])*"|"(?:\\.|[^"\\\n])*"|'(?:\\.|[^'\\\n])+'""",
        RegexOptions.Singleline)]
    private static partial Regex CommentOrText();

    [GeneratedRegex("""^(?:public |internal |file )(?:(?:static|sealed|abstract|readonly|partial|unsafe|ref|record) )*"""
        + """(?:class|struct|record|interface|enum|delegate \S+) (?<name>[A-Z]\w*)""", RegexOptions.Multiline)]
    private static partial Regex DeclaredType();

    [GeneratedRegex("""\bstatic [\w<>\[\],?. ()]+? (?<name>[A-Z]\w*)(?:<[\w, ]+>)?\(\s*this """)]
    private static partial Regex ExtensionMethod();

    [GeneratedRegex("""^ +(?:public|internal|protected|private) [\w<>\[\],?. ()]+? (?<name>[A-Z]\w*)(?:<[\w, ]+>)?\((?!\s*this )""",
        RegexOptions.Multiline)]
    private static partial Regex OrdinaryMethod();

    // Not after a dot: that is a member, which may have the name of a type.
    [GeneratedRegex("""(?<![\w.])[A-Z]\w*""")]
    private static partial Regex Name();
}
