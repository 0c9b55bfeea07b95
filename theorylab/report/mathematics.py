"""Which TeX is mathematics and nothing else: a list of what is allowed, so that a formula can only be a formula."""

from __future__ import annotations

import re


def _words(text: str) -> frozenset[str]:
    return frozenset(text.split())


LETTERS = _words("""
    alpha beta gamma delta epsilon zeta eta theta iota kappa lambda mu nu xi pi rho sigma tau upsilon phi chi psi
    omega Gamma Delta Theta Lambda Xi Pi Sigma Phi Psi Omega varepsilon vartheta varpi varrho varsigma varphi
    Upsilon ell hbar imath jmath aleph Re Im wp partial nabla infty emptyset varnothing top bot forall exists
    nexists neg prime dagger ddagger star ast bullet circ blacksquare square triangle angle ldots cdots vdots ddots
    dots
""")
STRUCTURES = _words("""
    frac tfrac dfrac cfrac binom sqrt overset underset stackrel overline underline overbrace underbrace substack
    left right middle big Big bigg Bigg bigl bigr Bigl Bigr biggl biggr Biggl Biggr begin end limits nolimits
    displaystyle textstyle scriptstyle text mathrm mathbf mathbb mathcal mathsf mathit mathtt mathfrak mathscr
    boldsymbol operatorname operatorname* mathop bar hat tilde dot ddot dddot vec check breve acute grave mathring
    widehat widetilde overrightarrow overleftarrow phantom hphantom vphantom xrightarrow xleftarrow not mod bmod
    pmod
""")
FUNCTIONS = _words("""
    sin cos tan cot sec csc sinh cosh tanh coth arcsin arccos arctan exp log ln lg det dim ker hom deg gcd max min
    sup inf lim limsup liminf arg Pr sum prod coprod int iint iiint oint bigcup bigcap bigoplus bigotimes bigodot
    bigvee bigwedge biguplus bigsqcup
""")
SIGNS = _words("""
    leftarrow leftrightarrow Leftarrow longleftarrow longleftrightarrow Longleftrightarrow uparrow downarrow
    hookrightarrow rightharpoonup notin ni supset supseteq subsetneq setminus perp parallel lesssim gtrsim doteq
    asymp models vdash triangleq lt gt geqslant leqslant div ominus oslash uplus sqcup sqcap vert Vert lvert rvert
    lbrack rbrack colon therefore because backslash hspace enspace thinspace le leq ge geq ne neq equiv approx sim
    simeq cong propto to rightarrow longrightarrow Rightarrow Longrightarrow Leftrightarrow iff implies mapsto
    longmapsto in subset subseteq ll gg prec preceq succ succeq coloneqq mid leadsto rightsquigarrow pm mp cup cap
    oplus wedge vee land lor quad qquad cdot times otimes odot lbrace rbrace lVert rVert langle rangle lfloor rfloor
    lceil rceil
""")
ENVIRONMENTS = _words("aligned array bmatrix Bmatrix cases gathered matrix pmatrix smallmatrix vmatrix Vmatrix")

_COMMANDS = LETTERS | STRUCTURES | FUNCTIONS | SIGNS
_CHARACTERS = frozenset(" ,:;!|{}%&#_$\\\n")
_COMMAND = re.compile(r"\\(operatorname\*|[A-Za-z]+|.)", re.DOTALL)
_ENVIRONMENT = re.compile(r"\\(?:begin|end)(?![A-Za-z])\s*(?:\{([^{}]*)\})?")


def is_mathematics(tex: str) -> bool:
    """Whether TeX reads `tex`, if it is balanced, as a formula alone.

    Every command and environment must be on the lists of this module; comments, parameters, changes of mode and `^^`
    codes are refused.
    """
    commands = all(command in (_COMMANDS if command[0].isalpha() else _CHARACTERS) for command in _COMMAND.findall(tex))
    environments = all(name in ENVIRONMENTS for name in _ENVIRONMENT.findall(tex))
    plain = tex.isascii() and "^^" not in tex and not re.search("[%#$]", _COMMAND.sub("", tex))
    return commands and environments and plain
