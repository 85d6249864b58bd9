# SPDX-License-Identifier: LGPL-2.1-or-later
"""guest_cells: Python code that tests of several images run in guests."""
import base64
import hashlib
import io
import zipfile

TEXT = "周一 繁體 かな カナ 한국어 😀📈✅🟢 →⇒ ∑√"
# Each line sets font families. CHART draws a chart, and warns on standard error for each missing glyph and family.
FAMILIES = {
    "nothing is set": "",
    "fonts of other systems": "plt.rcParams['font.sans-serif'] = ['SimHei', 'Microsoft YaHei']",
    "one family": "plt.rcParams['font.family'] = 'Noto Sans CJK JP'",
    "a style": "plt.style.use('ggplot'); plt.rcParams['font.family'] = 'monospace'",
}
CHART = f"""
import matplotlib.pyplot as plt
plt.rcdefaults()
%s
plt.title({TEXT!r}); plt.xlabel('价格 $x^2$ 📈'); plt.bar(['周一', '한국어'], [1, -2]); plt.show()
"""


def wheel(name, module, command):
    """Returns the name and content of a wheel with a module, and a command that calls its main()."""
    info = f"{name}-1.0.dist-info"
    files = {
        f"{name}.py": module,
        f"{info}/METADATA": f"Metadata-Version: 2.1\nName: {name}\nVersion: 1.0\n",
        f"{info}/WHEEL": "Wheel-Version: 1.0\nGenerator: test\nRoot-Is-Purelib: true\nTag: py3-none-any\n",
        f"{info}/entry_points.txt": f"[console_scripts]\n{command} = {name}:main\n",
    }
    files[f"{info}/RECORD"] = "".join(
        f"{path},sha256={base64.urlsafe_b64encode(hashlib.sha256(text.encode()).digest()).decode().rstrip('=')},{len(text)}\n"
        for path, text in files.items()) + f"{info}/RECORD,,\n"
    data = io.BytesIO()
    with zipfile.ZipFile(data, "w") as archive:
        for path, text in files.items():
            archive.writestr(path, text)
    return f"{name}-1.0-py3-none-any.whl", data.getvalue()
